"""The past: every screen says that it is shown, or that it has none, and changes nothing."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.dashboard.conftest import Screen, Views, World

PRESENT_ONLY = {"schedule", "workers", "apps", "app", "ready app"}

CHANGING = (
    "Cancel",
    "Retry",
    "Rerun",
    "Edit",
    "Launch",
    "Pause",
    "Resume",
    "Make",
    "New",
    "Backfill",
    "Drain",
    "Resolve",
    "Ignore",
    "Reopen",
    "Stop",
    "Ingest",
    "Build",
)
"""What begins like that would change something."""

PARTS = 2
"""So many tests share the screens, for none to take long."""


@pytest.fixture(scope="module")
def moment(world: World, views: Views) -> int:
    """Return the newest position: all that the screens show was there then."""
    del views
    with world.client as client:
        return int(client.get("/job-runs/counts").json()["meta"]["position"])


@pytest.mark.parametrize("part", range(PARTS))
def test_every_screen_says_that_it_shows_the_past_or_has_none(
    screen: Screen, views: Views, moment: int, part: int
) -> None:
    page = screen.page
    found: dict[str, list[str]] = {}
    for name, query in [*views.items()][part::PARTS]:
        if name == "past":
            continue
        screen.open(f"{query or '?'}&asOf={moment}")
        page.locator(".loading").first.wait_for(state="detached")
        expect(page.get_by_text("You are looking at the past")).to_be_visible()
        expect(page.get_by_text(f"position {moment} of the log")).to_be_visible()
        expect(page.locator(".connection")).to_have_text("Past")
        expect(page.locator("html[data-past]")).to_have_count(1)
        expect(page.get_by_label("Moment", exact=True)).to_be_visible()
        expect(page.locator(".screen .failed")).to_have_count(0)
        has_none = page.locator(".screen > .note", has_text="its past is not kept")
        expect(has_none).to_have_count(1 if name in PRESENT_ONLY else 0)
        buttons = page.locator(".screen button, .screen summary").all_inner_texts()
        changing = [text for text in buttons if text.startswith(CHANGING)]
        if changing:
            found[name] = changing
    assert found == {}


def test_what_has_no_past_is_told_by_the_clock_of_the_present(screen: Screen) -> None:
    page = screen.page
    screen.open("?view=workers&asOf=1")
    beat = page.locator("tbody .cell-beat time").first
    expect(beat).to_have_text(re.compile("just now| s ago"))
