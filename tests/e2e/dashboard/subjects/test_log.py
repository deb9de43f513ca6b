"""The log: followed as it grows, filtered, and a way to whatever an event tells of."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.dashboard.conftest import Screen
from tests.e2e.dashboard.service.world import World

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def waiting(world: World) -> Iterator[str]:
    """Give a run that waits until the test is over."""
    run_id = world.launch("send-release-notes", app="log", version="1")
    yield run_id
    with world.client as client:
        client.post(f"/job-runs/{run_id}/cancel")


def test_the_log_is_followed_for_as_long_as_somebody_wants(
    screen: Screen, world: World, waiting: str
) -> None:
    page = screen.page
    screen.open(f"?view=log&subject={waiting}")
    events = page.locator(".log-events > li")
    follow = page.get_by_label("Follow")
    expect(events).to_have_count(1)
    expect(follow).to_be_checked()
    with world.client as client:
        client.post(f"/job-runs/{waiting}/cancel").raise_for_status()
    expect(events.first).to_contain_text("job_run.canceled")
    follow.uncheck()
    expect(events.first).to_contain_text("job_run.requested")


def test_events_are_filtered_and_lead_to_what_they_tell_of(screen: Screen, waiting: str) -> None:
    page = screen.page
    screen.open("?view=log")
    form = page.locator(".log-filter")
    form.get_by_label("Type").fill("job_run.requested")
    form.get_by_label("Subject").fill(waiting)
    form.get_by_label("By").fill("anonymous")
    form.get_by_label("After position").fill("1")
    form.get_by_role("button", name="Apply").click()
    expect(page.get_by_label("Follow")).to_be_disabled()
    event = page.locator(".log-events > li")
    expect(event).to_have_count(1)
    here = page.url
    assert f"subject={waiting}" in here
    position = event.locator(".position").inner_text()
    for name, expected in (
        ("Run", page.locator("h1 .id", has_text=waiting)),
        ("all events of this subject", page.get_by_label("Subject")),
        ("all it caused", page.locator(".chip", has_text="correlation")),
        ("look at that moment", page.get_by_text(f"position {position} of the log")),
    ):
        page.goto(here)
        event.locator("summary").click()
        event.get_by_role("link", name=name).click()
        expect(expected).to_be_visible()
    page.goto(here)
    form.get_by_label("Type").fill("job_run.canceled")
    form.get_by_label("Type").press("Enter")
    expect(page.get_by_text("No event matches")).to_be_visible()
    expect(page).to_have_url(re.compile("type=job_run.canceled"))
    expect(form.get_by_label("Type")).to_be_focused()
    page.go_back()
    expect(form.get_by_label("Type")).to_have_value("job_run.requested")
    expect(event).to_have_count(1)
    screen.open(f"?view=run&id={waiting}&tab=log")
    expect(page.get_by_text("It has printed nothing yet.")).to_be_visible()


def test_a_filter_finds_what_lies_long_before_the_end(screen: Screen, world: World) -> None:
    page = screen.page
    with world.client as client:
        # Two events each: more than the page of the log's end that is searched at first.
        for _ in range(20):
            run_id = world.launch("send-release-notes", app="log", version="1")
            client.post(f"/job-runs/{run_id}/cancel").raise_for_status()
    screen.open(f"?view=log&type=job_definition.registered&correlation={NOBODY}")
    expect(page.get_by_text("Only the end of the log was searched")).to_be_visible()
    page.get_by_role("button", name=f"Remove correlation={NOBODY}").click()
    page.get_by_role("link", name="Search from the beginning of the log").click()
    expect(page.locator(".log-events > li").first).to_contain_text("job_definition.registered")
