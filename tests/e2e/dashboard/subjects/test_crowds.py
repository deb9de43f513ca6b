"""More than a page of everything: lists go on, counts are whole, large orders can be stopped."""

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import httpx
import psycopg
import pytest
from playwright.sync_api import BrowserContext, expect

from domain.commands.schedules import Schedules
from domain.jobs.launching import Launch
from domain.jobs.run_events import Report
from domain.schedules.calendar import ScheduleSpec
from tests.e2e.dashboard.conftest import Screen, opened
from tests.e2e.dashboard.service import jobs_of_apphub
from tests.e2e.dashboard.service.seeding import launch
from tests.e2e.dashboard.service.world import World
from tests.e2e.dashboard.subjects.backfills import backfill
from tests.support import databases
from tests.support.logs import TESTER, Parts, parts, registered
from tests.support.ports import free_port
from tests.support.processes import eventually
from tests.support.sample_logs.big_logs import fill

RUNS = 8_000
"""So many that an order about all of them takes seconds."""

WORKERS = 120
GROUPS = 101
ORDERS = 51
TALKS = 510
"""Of a run: more events than its page shows."""

AGE = timedelta(minutes=5)
"""How long there has been a schedule that ticks every second."""

A_DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def crowd(
    database_server: str, shared_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Run a service that has more than a page of everything."""
    template = databases.template(database_server, shared_dir)
    data_dir = tmp_path_factory.mktemp("crowd") / "data"
    with databases.clone(database_server, template) as database_url:
        # Playwright has a loop in this thread.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, _fill(database_url)).result()
        named = ("production", "red")  # Where what is dangerous takes the name, too.
        world = World(data_dir, database_url, free_port(), named)
        try:
            world.start_api()
            world.start_worker()
            with world.client as client:
                _let_happen(client)
            yield world
        finally:
            world.stop()


async def _fill(url: str) -> None:
    await fill(url, RUNS, "job", succeeded=True)
    async with parts(url) as part:
        for number in range(WORKERS):
            await part.worker(f"crowd-{number:03}", lease_ms=A_DAY_MS)
        await part.heartbeats.leave("worker")
        await _talk(part)
        begun = part.jobs.clock() - AGE
        part.jobs.clock = lambda: begun
        schedules = Schedules(part.jobs)
        await schedules.create("every-second", ScheduleSpec(job="job", every_ms=1_000), TESTER)
        await schedules.pause("every-second", None, TESTER)


async def _talk(part: Parts) -> None:
    """Let a run tell how far it is more often than a page has room for, and end."""
    await registered(part.jobs, "talkative")
    launched = await part.jobs.launch("talkative", Launch(), TESTER)
    worker = await part.worker("talking")
    [claim] = await part.executions.claim(worker, 1)
    for number in range(TALKS):
        report = Report({"progress": number / TALKS})
        await part.executions.progress(launched.run_id, claim.holder, report)
    await part.executions.succeed(launched.run_id, claim.holder, None, Report())
    await part.heartbeats.leave("talking")


def _let_happen(client: httpx.Client) -> None:
    client.post("/jobs/job/pause").raise_for_status()
    client.post("/jobs", json=jobs_of_apphub.scan_secrets.definition).raise_for_status()
    for number in range(GROUPS):
        name = ascii_lowercase[number // 26] + ascii_lowercase[number % 26]
        launch(client, "scan-secrets", repository=f"private-{name}")
    nothing = {"action": "cancel", "filter": ["status=running", "job=job"]}
    for number in range(ORDERS):
        order = {**nothing, "reason": f"order {number}"}
        client.post("/bulk", json=order).raise_for_status()
    eventually(lambda: len(_open_groups(client)) == GROUPS, what="all groups")


def _open_groups(client: httpx.Client) -> list[Any]:
    groups: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"status": "open", "limit": "100", "cursor": cursor}
        page = client.get("/failures", params=query).raise_for_status().json()
        groups += page["data"]
        cursor = page["meta"]["nextCursor"]
    return groups


@pytest.fixture
def crowded(crowd: World, window: BrowserContext) -> Iterator[Screen]:
    """Open a page of the crowded service."""
    with opened(window, crowd.url) as screen:
        yield screen


def test_all_workers_are_shown_and_counted(crowded: Screen) -> None:
    page = crowded.page
    crowded.open("?view=workers")
    expect(page.locator("tbody tr")).to_have_count(WORKERS + 1)
    crowded.open()
    expect(page.get_by_role("link", name=f"{WORKERS + 1} workers")).to_be_visible()


def test_all_open_groups_count_and_are_shown_page_by_page(crowded: Screen) -> None:
    page = crowded.page
    crowded.open("?view=jobs")
    row = page.get_by_role("row").filter(has_text="scan-secrets")
    expect(row).to_contain_text(f"{GROUPS} failure groups")
    crowded.open()
    page.locator(".needs").get_by_role("link", name="More").click()
    cards = page.locator("li.card")
    more = page.get_by_role("button", name="More")
    for count in (50, 100, GROUPS):
        expect(cards).to_have_count(count)
        if count < GROUPS:
            more.click()
    expect(more).to_have_count(0)


def test_all_bulk_operations_are_shown_page_by_page(crowded: Screen) -> None:
    page = crowded.page
    crowded.open("?view=bulk")
    first = page.locator("li.card", has_text="order 0 ·")
    expect(page.locator("li.card")).to_have_count(50)
    expect(first).to_have_count(0)
    page.get_by_role("button", name="Show older").click()
    expect(first).to_have_count(1)


def test_runs_and_events_are_shown_page_by_page(crowded: Screen) -> None:
    page = crowded.page
    crowded.open("?view=runs&job=job")
    runs = page.locator("tbody tr")
    expect(runs).to_have_count(50)
    page.get_by_role("button", name="Show older").click()
    expect(runs).to_have_count(100)
    assert len({*runs.locator("a.id").all_inner_texts()}) == 100
    crowded.open("?view=log&after=0")
    events = page.locator(".log-events > li")
    expect(events).to_have_count(50)
    page.get_by_role("button", name="Show later").click()
    expect(events).to_have_count(100)
    positions = [int(text) for text in page.locator(".position").all_inner_texts()]
    assert positions == sorted({*positions})


def test_back_leads_to_the_same_rows_at_the_same_place_however_many_runs_are_new(
    crowded: Screen, crowd: World
) -> None:
    page = crowded.page
    crowded.open("?view=runs&job=job,scan-secrets")
    rows = page.locator("tbody tr")
    for count in (50, 100):
        expect(rows).to_have_count(count)
        page.get_by_role("button", name="Show older").click()
    expect(rows).to_have_count(150)
    ids = rows.locator("a.id").all_inner_texts()
    row = rows.nth(120).locator("a.id")
    row.scroll_into_view_if_needed()
    before = row.bounding_box()
    assert before is not None
    row.click()
    expect(page.locator(".facts")).to_be_visible()
    for number in range(60):
        crowd.launch("scan-secrets", repository=f"meanwhile-{number}")
    page.go_back()
    expect(rows).to_have_count(150)
    assert rows.locator("a.id").all_inner_texts() == ids
    after = row.bounding_box()
    assert after is not None
    assert abs(after["y"] - before["y"]) <= 2
    page.get_by_role("button", name="Show the newest runs").click()
    expect(rows.first.locator("a.id")).not_to_have_text(ids[0])
    # The id as the list shows it is enough to look for its run.
    box = page.get_by_role("combobox", name="Filter")
    box.fill(ids[120])
    box.press("Enter")
    expect(rows).to_have_count(1)
    expect(rows.locator("a.id")).to_have_text(ids[120])


def test_back_leads_to_the_same_place_of_any_list(crowded: Screen) -> None:
    page = crowded.page
    crowded.open("?view=failures")
    card = page.locator("li.card").nth(40)
    expect(card).to_contain_text("within 24 h")
    card.scroll_into_view_if_needed()
    title = card.locator("h2").inner_text()
    card.get_by_role("link", name="Runs").click()
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name=title)).to_be_in_viewport()


def test_trends_at_a_position_end_when_it_came_to_be(crowded: Screen, crowd: World) -> None:
    """Not now: at a position of long ago all would look as if nothing had happened."""
    with crowd.client as client:
        created = client.get("/schedules/every-second").json()["data"]["createdAt"]
    with psycopg.connect(crowd.database_url) as session:
        query = "SELECT notification_id FROM jobs_events WHERE topic = 'schedule.registered'"
        [(position,)] = session.execute(query).fetchall()
    at = datetime.fromisoformat(created)
    end = at.replace(second=0, microsecond=0) + timedelta(minutes=1)
    end_of_trends = f"&to={end:%Y-%m-%dT%H}%3A{end:%M}%3A00.000Z&"
    with crowded.page.expect_request(lambda request: end_of_trends in request.url):
        crowded.open(f"?asOf={position}")


def test_a_large_order_tells_its_size_first_its_progress_then_and_can_be_stopped(
    crowded: Screen, crowd: World
) -> None:
    page = crowded.page
    before = _pending(crowd)
    crowded.open("?view=runs&job=job&status=succeeded")
    page.locator(".selection").get_by_role("button", name="Rerun …").click()
    dialog = page.get_by_role("dialog", name="Rerun runs")
    expect(dialog).to_contain_text(f"{_spaced(RUNS)} runs would be affected")
    expect(dialog.get_by_role("row")).not_to_have_count(0)
    dialog.get_by_label("Reason").fill("other rates")
    dialog.get_by_label("This is production").fill("production")
    dialog.get_by_role("button", name=re.compile("Rerun 8.000 runs")).click()
    operation = page.locator("li.card")
    expect(operation.locator(".screen-head .status")).to_have_text("running")
    expect(operation.locator("progress")).to_be_visible()
    progress = operation.locator("p").filter(has_text=" done, ")
    expect(progress).to_have_text(re.compile(r"^[1-9].* of 8.000 done"))
    with psycopg.connect(crowd.database_url) as session:
        # So the order cannot be done before somebody who types slowly has stopped it.
        session.execute("LOCK TABLE job_runs IN SHARE MODE")
        operation.get_by_role("button", name="Stop …").click()
        dialog = page.get_by_role("dialog", name="Stop")
        dialog.get_by_label("Reason").fill("the rates were right")
        stop = dialog.get_by_role("button", name="Stop", exact=True)
        expect(stop).to_be_disabled()
        dialog.get_by_label("This is production").fill("production")
        stop.click()
        expect(dialog).not_to_be_visible()
    expect(operation.locator(".screen-head .status")).to_have_text("aborted")
    expect(operation.get_by_role("button", name="Stop …")).to_have_count(0)
    with crowd.client as client:
        [last_operation] = client.get("/bulk", params={"limit": 1}).json()["data"]
    assert 0 < last_operation["done"] < RUNS
    assert _pending(crowd) == before + last_operation["done"]
    expect(operation).to_contain_text(f"{_spaced(last_operation['done'])} of {_spaced(RUNS)} done")


def _pending(crowd: World) -> int:
    with crowd.client as client:
        counts = client.get("/job-runs/counts", params={"job": "job"}).json()["data"]
    return int(counts["pending"])


def _spaced(number: int) -> str:
    """Write a number as the dashboard does."""
    return f"{number:,}".replace(",", "\u202f")


def test_a_long_backfill_is_done_whole_and_the_newest_ticks_are_shown(
    crowded: Screen, crowd: World
) -> None:
    page = crowded.page
    with crowd.client as client:
        made = client.get("/schedules/every-second").json()["data"]["createdAt"]
    begin = datetime.fromisoformat(made) + timedelta(seconds=2)
    end = begin + timedelta(seconds=200)
    crowded.open("?view=schedule&id=every-second")
    menu = page.locator("details.menu")
    menu.locator("summary").click()
    menu.get_by_label("from", exact=True).fill("2025-01-01T00:00")
    menu.get_by_label("to", exact=True).fill("2026-01-01T00:00")
    counted = _spaced(10_000)
    expect(menu.get_by_role("status")).to_have_text(
        f"{counted} runs will be launched for the first {counted} ticks;"
        " later ticks are not counted"
    )
    menu.get_by_label("to", exact=True).fill("")
    backfill(page, begin, end, preview="201 runs will be launched")
    announcement = page.get_by_role("status").filter(has_text="runs launched")
    expect(announcement).to_have_text("201 runs launched")
    newest = page.locator("tbody tr").filter(has_text="backfill").first
    due_at = re.compile(f"{end:%Y-%m-%dT%H:%M:%S}")
    expect(newest.locator("time")).to_have_attribute("datetime", due_at)


def test_a_run_of_very_many_events_is_told_to_its_end(crowded: Screen, crowd: World) -> None:
    page = crowded.page
    with crowd.client as client:
        [run] = client.get("/job-runs", params={"job": "talkative"}).json()["data"]
    run_id = run["run"]["id"]
    crowded.open(f"?view=run&id={run_id}")
    attempts = page.get_by_role("table", name="Attempts")
    expect(attempts.locator("tbody .status")).to_have_text("succeeded")
    states = page.get_by_role("img", name="pending, running, succeeded")
    expect(states).to_be_visible()
    crowded.open(f"?view=run&id={run_id}&tab=events")
    expect(page.locator(".note")).to_contain_text("After the first 500")
    expect(page.locator("ol.events > li h2").last).to_have_text("succeeded")
