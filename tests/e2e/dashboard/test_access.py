"""A service that asks for tokens: the page is open, and what it shows is not."""

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.dashboard.conftest import Screen
from tests.e2e.support import register
from tests.support import databases
from tests.support.processes import started

READER = "read-me-0123456789abcdef"
WRITER = "write-me-0123456789abcdef"
NEWER = "write-more-0123456789abcdef"
TOKENS = {
    READER: {"principal": "ann", "role": "read"},
    WRITER: {"principal": "walter", "role": "write"},
}


@pytest.fixture
def tokens_file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens.json"
    path.write_text(json.dumps(TOKENS))
    path.chmod(0o600)
    return path


@pytest.fixture
def guarded_url(
    database_server: str, shared_dir: Path, tokens_file: Path, tmp_path: Path
) -> Iterator[str]:
    """Run an API that takes two tokens."""
    options = ("--port", "0", "--data-dir", str(tmp_path / "data"))
    command = ("serve", *options, "--tokens-file", str(tokens_file))
    template = databases.template(database_server, shared_dir)
    with (
        databases.clone(database_server, template) as url,
        started(*command, APPHUB_DATABASE_URL=url) as api,
    ):
        yield api.url()


def sign_in(page: Page, token: str) -> None:
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()


def test_one_sign_in_is_for_all_tabs_until_the_token_is_revoked(
    guarded_url: str, tokens_file: Path, browser: Browser
) -> None:
    context = browser.new_context()
    page = Screen(context.new_page(), guarded_url).page
    addresses: list[str] = []
    page.on("websocket", lambda socket: addresses.append(socket.url))
    page.on("request", lambda request: addresses.append(request.url))
    page.goto(guarded_url)
    sign_in(page, f"wrong-{READER}")
    expect(page.get_by_role("alert")).to_have_text("The service does not know this token.")
    sign_in(page, READER)
    expect(page.locator(".connection")).to_have_text("Live")
    expect(page.get_by_role("heading", name="Nothing has run yet")).to_be_visible()
    # Who one is and may do is shown; what one may not is not offered.
    page.get_by_role("button", name="Preferences and keys").click()
    expect(page.locator(".account")).to_contain_text("Signed in as ann · may read")
    page.goto(f"{guarded_url}/?view=job&id=repository-build")
    expect(page.get_by_role("heading", name="Repository Build")).to_be_visible()
    expect(page.locator(".me")).to_have_text("ann")
    expect(page.get_by_role("button", name="Launch")).to_have_count(0)
    expect(page.locator(".tabs a")).to_have_text(["Runs", "Definition", "Versions"])
    # No address, which ends up in logs, holds the token.
    secrets = (READER, b64encode(READER.encode()).decode().rstrip("="))
    assert any(address.startswith("ws://") for address in addresses)
    assert [one for one in addresses if any(secret in one for secret in secrets)] == []
    # Another tab needs no token of its own, and all sign out together.
    other = context.new_page()
    other.goto(guarded_url)
    expect(other.locator(".connection")).to_have_text("Live")
    expect(other.locator(".me")).to_have_text("ann")
    other.get_by_role("button", name="Preferences and keys").click()
    other.get_by_role("button", name="Sign out in all tabs").click()
    for tab in (page, other):
        expect(tab.get_by_role("heading", name="Sign in")).to_be_visible()
    # Who may write is offered more, and a revoked token ends what it opened.
    sign_in(page, WRITER)
    expect(other.locator(".me")).to_have_text("walter")
    # Where nothing has run yet, the overview leads to what can be launched, as soon as it can be.
    other.goto(guarded_url)
    expect(other.get_by_role("heading", name="Nothing has run yet")).to_be_visible()
    headers = {"Authorization": f"Bearer {WRITER}"}
    with httpx.Client(base_url=guarded_url, headers=headers, timeout=60) as client:
        register(client, "greet", "nobody.does_this", name=" ")
    expect(other.get_by_role("link", name=re.compile("^Launch"))).to_have_text(["Launch greet"])
    page.get_by_role("button", name="Launch").click()
    written = page.locator("form.launch").get_by_label("buildId")
    written.fill("half-written")
    tokens_file.write_text(json.dumps({NEWER: TOKENS[WRITER]}))
    expect(page.locator(".sign-in")).to_contain_text("does not accept this tab's token")
    # With a new token of theirs they go on where they were.
    sign_in(page, NEWER)
    expect(written).to_have_value("half-written")
    expect(page.locator(".connection")).to_have_text("Live")
    context.close()
