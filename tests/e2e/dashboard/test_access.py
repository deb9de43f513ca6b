"""A service that asks for tokens: the page is open, and what it shows is not."""

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.dashboard.conftest import Screen
from tests.support import databases
from tests.support.processes import started

TOKEN = "read-me-0123456789abcdef"


@pytest.fixture
def guarded_url(database_server: str, shared_dir: Path, tmp_path: Path) -> Iterator[str]:
    """Run an API that takes one token, for reading."""
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps({TOKEN: {"principal": "ann", "role": "read"}}))
    tokens.chmod(0o600)
    place = ("--port", "0", "--data-dir", str(tmp_path / "data"))
    command = ("serve", *place, "--tokens-file", str(tokens))
    template = databases.template(database_server, shared_dir)
    with (
        databases.clone(database_server, template) as url,
        started(*command, APPHUB_DATABASE_URL=url) as api,
    ):
        yield api.url()


def test_a_token_is_asked_for_and_kept_for_this_tab(guarded_url: str, browser: Browser) -> None:
    context = browser.new_context()
    screen = Screen(context.new_page(), guarded_url)
    page = screen.page
    addresses: list[str] = []
    page.on("websocket", lambda socket: addresses.append(socket.url))
    page.on("request", lambda request: addresses.append(request.url))
    page.goto(guarded_url)
    asked = page.get_by_role("dialog", name="This service asks for a token")
    given = asked.get_by_label("Token")
    given.fill(f"wrong-{TOKEN}")
    given.press("Enter")
    expect(given).to_have_value("")  # Read anew, the page asks again.
    given.fill(TOKEN)
    asked.get_by_role("button", name="Use it").click()
    expect(page.locator(".connection")).to_have_text("Live")
    page.goto(f"{guarded_url}/?view=jobs")
    expect(page.get_by_text("Repository Build")).to_be_visible()
    assert any(address.startswith("ws://") for address in addresses)
    told = (TOKEN, b64encode(TOKEN.encode()).decode().rstrip("="))
    found = [one for one in addresses if any(secret in one for secret in told)]
    assert found == []
    other = context.new_page()
    other.goto(guarded_url)
    expect(other.get_by_role("dialog")).to_be_visible()
    context.close()
