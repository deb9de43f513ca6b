"""The site's page of the HTTP API."""

import asyncio
from pathlib import Path

from api.app import build_app
from api.bootstrap.settings import Settings
from catalog.api_extension import EXTENSION
from docs.http_calls import page


def test_every_call_and_every_field_of_a_body_is_on_the_page() -> None:
    documented = page()
    document = build_app(Settings("", Path()), asyncio.Event(), extensions=(EXTENSION,)).openapi()
    calls = [
        f"### `{method.upper()} {path}`\n"
        for path, methods in document["paths"].items()
        for method in methods
    ]
    assert len(calls) > 20
    assert [call for call in calls if call not in documented] == []
    fields = document["components"]["schemas"]["LaunchBody"]["properties"]
    section = documented.partition("### LaunchBody\n")[2].partition("\n### ")[0]
    assert [name for name in fields if f"| `{name}` |" not in section] == []


def test_a_call_tells_what_it_takes_and_answers() -> None:
    section = page().partition("### `GET /job-runs`\n")[2].partition("\n### ")[0]
    assert "| `limit` | query | integer 1 to 50 |" in section
    assert "Answer: 200, `data`: list of [RunWithJob](#runwithjob), `meta`:" in section
    assert "Refusals: 400\n" in section
