"""The past: every screen says that it is shown, or that it has none, and changes nothing."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.dashboard.conftest import Screen, Views
from tests.e2e.dashboard.service.world import World

PRESENT_ONLY = {"schedule", "workers", "apps", "app", "ready app"}

CHANGING = (
    "Cancel",
    "Retry",
    "Rerun",
    "Edit",
    "Launch",
    "Pause",
    "Resume",
    "Create",
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
    problems: dict[str, list[str]] = {}
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
        changing = [text for text in buttons if text.startswith(CHANGING) and text != "Build log"]
        if changing:
            problems[name] = changing
    assert problems == {}


def test_what_has_no_past_is_told_by_the_clock_of_the_present(screen: Screen) -> None:
    page = screen.page
    screen.open("?view=workers&asOf=1")
    beat = page.locator("tbody .cell-beat time").first
    expect(beat).to_have_text(re.compile("just now| s ago"))


STEPS = {"1 min": timedelta(minutes=1), "1 h": timedelta(hours=1), "1 d": timedelta(days=1)}

LONGER_THAN_A_STEP = "() => new Promise((over) => setTimeout(over, 1_200))"
"""Playing goes on once a second."""


@pytest.fixture
def begun(world: World) -> datetime:
    """Return when the first event happened."""
    with world.client as client:
        [first] = client.get("/events", params={"limit": 1}).json()["data"]
    return datetime.fromisoformat(first["occurredAt"])


def _written(at: datetime) -> str:
    """Write a moment as an address does: whole milliseconds, UTC."""
    text = at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
    return f"{text}Z"


def _slider(page: Page) -> Locator:
    return page.get_by_label("Moment", exact=True)


def _open_at_the_beginning(screen: Screen, begun: datetime) -> None:
    """Open the first moment; the slider stands there once it knows that it is the first."""
    screen.open(f"?view=runs&asOf={_written(begun)}")
    expect(_slider(screen.page)).to_have_value("0")


def _look_at(page: Page, moment: str) -> None:
    page.get_by_label("Time (UTC) or position").fill(moment)
    page.get_by_role("button", name="Show", exact=True).click()


def _is_shown(page: Page, at: datetime) -> None:
    expect(page).to_have_url(re.compile(f"asOf={re.escape(_written(at))}"))


def test_one_steps_back_from_a_time_but_never_before_the_beginning(
    screen: Screen, begun: datetime
) -> None:
    page = screen.page
    now = datetime.now(UTC).replace(microsecond=0)
    _open_at_the_beginning(screen, begun)
    for name, step in STEPS.items():
        _look_at(page, f"{now:%Y-%m-%d %H:%M:%S}")
        _is_shown(page, now)
        page.get_by_role("button", name=f"{name} back").click()
        _is_shown(page, max(now - step, begun))


def test_the_past_is_played_stopped_and_played_up_to_the_present(
    screen: Screen, begun: datetime
) -> None:
    page = screen.page
    _open_at_the_beginning(screen, begun)
    page.get_by_role("button", name="Play").click()
    expect(_slider(page)).not_to_have_value("0")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    stopped = page.url
    page.evaluate(LONGER_THAN_A_STEP)
    assert page.url == stopped
    _look_at(page, _written(datetime.now(UTC)))
    page.get_by_role("button", name="Play").click()
    expect(page.locator(".connection")).to_have_text("Live")
    assert "asOf" not in page.url


def test_a_slider_that_is_held_stays_where_it_is_and_says_which_moment_that_is(
    screen: Screen, begun: datetime
) -> None:
    page = screen.page
    _open_at_the_beginning(screen, begun)
    slider = _slider(page)
    slider.evaluate("one => { one.value = 500; one.dispatchEvent(new Event('input')); }")
    page.evaluate(LONGER_THAN_A_STEP)
    expect(slider).to_have_value("500")
    expect(page.locator(".past-says time")).not_to_have_attribute("datetime", _written(begun))
    slider.dispatch_event("change")
    expect(page).not_to_have_url(re.compile(re.escape(_written(begun))))


def test_what_is_no_moment_is_said_to_be_none(screen: Screen) -> None:
    screen.is_outage_expected = True  # Browsers complain of every 400.
    page = screen.page
    screen.open("?view=runs&asOf=1")
    _look_at(page, "yesterday")
    expect(page.get_by_role("alert")).to_contain_text("400 · validation_failed")
    page.get_by_role("button", name="Back to the present").click()
    expect(page.locator("tbody tr").first).to_be_visible()
