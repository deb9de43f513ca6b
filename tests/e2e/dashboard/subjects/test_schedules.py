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


def test_a_schedule_is_created_with_its_next_times_before_ones_eyes(
    screen: Screen, world: World
) -> None:
    screen.is_outage_expected = True  # Browsers complain of every 400.
    page = screen.page
    screen.open("?view=schedules")
    page.get_by_role("button", name="New schedule").click()
    coming = page.locator(".coming time")
    page.get_by_label("Time zone").fill("Europe/Berlin")
    cron = page.get_by_label("Cron expression")
    cron.fill("0 99 * * *")
    expect(cron).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#schedule-cron-wrong")).to_contain_text("see its hour")
    cron.fill("30 9 * * 1-5")
    expect(page.get_by_text("Monday to Friday at 09:30 in Europe/Berlin")).to_be_visible()
    expect(coming).to_have_count(10)
    expect(coming.first).to_contain_text(" 09:30:00 +0")

    page.get_by_label("at an interval").check()
    page.get_by_label("Every", exact=True).fill("90")
    page.get_by_label("Every: unit").select_option("minutes")
    page.get_by_label("Jitter", exact=True).fill("5")
    page.get_by_label("Jitter: unit").select_option("minutes")
    page.get_by_label("buffer one").check()
    page.get_by_label("Pause the schedule").check()
    # The service's own jobs cannot be scheduled.
    expect(page.get_by_label("Job").locator("option", has_text="repository-")).to_have_count(0)
    page.get_by_label("Job").select_option("scan-secrets")
    expect(page.get_by_text("launched", exact=False).first).to_be_visible()
    create = page.get_by_role("button", name="New schedule")
    page.get_by_label("Name").fill("office-hours")
    create.click()
    expect(page.get_by_role("alert")).to_contain_text("repository")
    expect(page.get_by_label("repository")).to_be_focused()
    page.get_by_label("repository").fill("docs")
    # What is written is still there after a look at another page.
    page.get_by_role("link", name="Workers").first.click()
    expect(page.get_by_role("heading", name="Workers")).to_be_visible()
    page.go_back()
    expect(page.get_by_label("repository")).to_have_value("docs")
    create.click()
    expect(page.get_by_role("heading", name="office-hours")).to_be_visible()
    with world.client as client:
        made = client.delete("/schedules/office-hours").raise_for_status().json()["data"]
    assert (made["everyMs"], made["jitterMs"], made["cron"]) == (5_400_000, 300_000, None)
    assert (made["overlap"], made["pauseOnFailure"]) == ("buffer_one", True)
    assert made["timeZone"] == "Europe/Berlin"
    assert made["parameters"]["repository"] == "docs"


def test_a_schedule_is_changed_beside_others_changes_and_deleted(
    screen: Screen, world: World
) -> None:
    screen.is_outage_expected = True
    page = screen.page
    schedule = {
        "id": "changing",
        "job": "scan-secrets",
        "cron": "0 3 * * *",
        "parameters": {"repository": "docs"},
    }
    with world.client as client:
        client.post("/schedules", json=schedule).raise_for_status()
    screen.open("?view=schedule&id=changing")
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("at an interval").check()
    with world.client as client:  # Somebody else changes what is left alone here.
        client.patch("/schedules/changing", json={"catchUpMs": 1_000}).raise_for_status()
    expect(page.get_by_text("Somebody has saved version 2")).to_be_visible()
    page.get_by_label("Every", exact=True).fill("0.5")
    page.get_by_label("Every: unit").select_option("seconds")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#schedule-everyMs-wrong")).to_contain_text("is between 1000 and")
    page.get_by_label("Every", exact=True).fill("45")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Edit")).to_be_visible()
    expect(page.get_by_text("every 45 s")).to_be_visible()
    with world.client as client:
        changed = client.get("/schedules/changing").raise_for_status().json()["data"]
    assert (changed["everyMs"], changed["catchUpMs"], changed["version"]) == (45_000, 1_000, 3)

    page.get_by_role("button", name="Delete …").click()
    question = page.get_by_role("dialog", name="Delete the schedule changing")
    question.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Schedules", exact=True)).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="changing")).to_have_count(0)
    with world.client as client:
        assert client.get("/schedules/changing").status_code == 404


def test_ticks_of_a_pause_tell_their_reason_and_are_made_up_for(
    often: str, screen: Screen, world: World
) -> None:
    page = screen.page
    screen.open(f"?view=schedule&id={often}")
    page.get_by_role("button", name="Pause …").click()
    dialog = page.get_by_role("dialog", name="Pause often")
    dialog.get_by_label("Reason").fill("too often")
    dialog.get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator(".note")).to_contain_text("too often")
    skipped = page.get_by_role("row").filter(has_text="skipped").first
    expect(skipped).to_contain_text("paused")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".note")).to_have_count(0)

    [pause] = [tick for tick in _ticks(world) if tick["reason"] == "paused"][-1:]
    first = datetime.fromisoformat(pause["dueAt"])
    backfill(page, first, first + SECOND / 2, preview="1 run will be launched")
    expect(page.get_by_role("status").filter(has_text="1 run launched")).to_be_visible()
    made_up = page.get_by_role("row").filter(has_text="backfill")
    expect(made_up).to_have_count(1)
    expect(made_up).to_contain_text("launched")
    backfill(page, first, first + SECOND / 2)
    expect(page.get_by_role("status").filter(has_text="0 runs launched")).to_be_visible()


def test_a_schedule_whose_last_run_failed_looks_failed(screen: Screen, world: World) -> None:
    schedule = {
        "id": "failing",
        "job": "scan-secrets",
        "cron": "0 3 1 1 *",
        "parameters": {"repository": "private-plans"},
    }
    page = screen.page
    with world.client as client:
        client.post("/schedules", json=schedule).raise_for_status()
        run = client.post("/schedules/failing/trigger").json()["data"]["id"]
    world.ended(run)
    screen.open("?view=schedules")
    row = page.get_by_role("row").filter(has_text="failing")
    expect(row).to_contain_text("last run failed")
    expect(row).to_contain_text("0 of 1 succeeded")
    expect(row.locator(".status-succeeded")).to_have_count(0)
    row.get_by_role("link", name="failing", exact=True).click()
    expect(page.get_by_text("last run failed")).to_be_visible()
    page.locator(".strip").get_by_role("link", name="failed, ").click()
    expect(page).to_have_url(f"{world.url}/?view=run&id={run}")
    with world.client as client:
        client.delete("/schedules/failing").raise_for_status()


def test_a_schedule_is_launched_now_and_says_which_run_that_is(
    often: str, screen: Screen, world: World
) -> None:
    page = screen.page
    with world.client as client:
        client.post(f"/schedules/{often}/pause").raise_for_status()
    screen.open(f"?view=schedule&id={often}")
    page.get_by_role("button", name="Launch now").click()
    announcement = page.get_by_role("status").filter(has_text="Launched ")
    expect(announcement).to_be_visible()
    run = world.ended(announcement.inner_text().removeprefix("Launched "))
    assert run["requestedBy"] == f"schedule:{often}"
    assert run["context"]["schedule"] == often
