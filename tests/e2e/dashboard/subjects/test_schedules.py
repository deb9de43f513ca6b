"""Schedules: created with what is to come before one's eyes, paused, launched, made up for."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.dashboard.conftest import Screen
from tests.e2e.dashboard.service.world import World
from tests.e2e.dashboard.subjects.backfills import backfill

SECOND = timedelta(seconds=1)


@pytest.fixture
def often(world: World) -> Iterator[str]:
    """Give a schedule that ticks every second, until the test is over."""
    schedule = {
        "id": "often",
        "job": "scan-secrets",
        "everyMs": 1_000,
        "parameters": {"repository": "docs"},
        "overlap": "allow_all",
    }
    with world.client as client:
        client.post("/schedules", json=schedule).raise_for_status()
        yield "often"
        client.delete("/schedules/often").raise_for_status()


def _ticks(world: World) -> list[dict[str, Any]]:
    with world.client as client:
        ticks: list[dict[str, Any]] = client.get("/schedules/often/ticks").json()["data"]
    return ticks


def test_a_schedule_is_created_and_shows_what_is_to_come_while_it_is_written(
    screen: Screen, world: World
) -> None:
    screen.is_outage_expected = True  # Browsers complain of every 400.
    page = screen.page
    screen.open("?view=schedules")
    page.get_by_role("button", name="New schedule").click()
    form = page.get_by_role("dialog", name="New schedule")
    form.get_by_label("Schedule", exact=True).fill("office-hours")
    form.get_by_label("Job").select_option("scan-secrets")
    form.get_by_label("Time zone").fill("UTC")
    when = form.get_by_label("When", exact=True)
    coming = form.locator("#cron-words")
    when.fill("0 99 * * *")
    expect(coming.locator(".problem")).to_be_visible()
    when.fill("30 9 * * 1-5")
    expect(coming).to_contain_text("Monday to Friday at 09:30")
    expect(coming.locator("time")).to_have_count(3)
    first = coming.locator("time").first.get_attribute("datetime") or ""
    assert datetime.fromisoformat(first).strftime("%H:%M") == "09:30"
    form.get_by_label("Parameters").fill("no JSON")
    create = form.get_by_role("button", name="New schedule")
    create.click()
    expect(form.get_by_role("alert")).to_have_text("This is no JSON object.")
    form.get_by_label("Parameters").fill('{"repository": "docs"}')
    create.click()
    expect(form).to_have_count(0)
    row = page.get_by_role("row").filter(has_text="office-hours")
    expect(row).to_contain_text("Monday to Friday at 09:30")
    with world.client as client:
        made = client.delete("/schedules/office-hours").raise_for_status().json()["data"]
    assert (made["cron"], made["parameters"]) == ("30 9 * * 1-5", {"repository": "docs"})


def test_ticks_of_a_pause_tell_their_reason_and_are_made_up_for(
    often: str, screen: Screen, world: World
) -> None:
    page = screen.page
    screen.open(f"?view=schedule&id={often}")
    page.get_by_role("button", name="Pause …").click()
    asked = page.get_by_role("dialog", name="Pause often")
    asked.get_by_label("Why").fill("too often")
    asked.get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator(".note")).to_contain_text("too often")
    skipped = page.get_by_role("row").filter(has_text="skipped").first
    expect(skipped).to_contain_text("paused")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".note")).to_have_count(0)

    [pause] = [tick for tick in _ticks(world) if tick["reason"] == "paused"][-1:]
    first = datetime.fromisoformat(pause["dueAt"])
    backfill(page, first, first + SECOND / 2)
    expect(page.get_by_role("status").filter(has_text="1 run launched")).to_be_visible()
    made_up = page.get_by_role("row").filter(has_text="backfill")
    expect(made_up).to_have_count(1)
    expect(made_up).to_contain_text("launched")
    backfill(page, first, first + SECOND / 2)
    expect(page.get_by_role("status").filter(has_text="0 runs launched")).to_be_visible()


def test_a_schedule_is_launched_now_and_says_which_run_that_is(
    often: str, screen: Screen, world: World
) -> None:
    page = screen.page
    with world.client as client:
        client.post(f"/schedules/{often}/pause").raise_for_status()
    screen.open(f"?view=schedule&id={often}")
    page.get_by_role("button", name="Launch now").click()
    said = page.get_by_role("status").filter(has_text="Launched ")
    expect(said).to_be_visible()
    run = world.ended(said.inner_text().removeprefix("Launched "))
    assert run["requestedBy"] == f"schedule:{often}"
    assert run["context"]["schedule"] == often
