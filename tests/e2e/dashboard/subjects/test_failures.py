"""Groups of failures: resolved, opened again, ignored, and seen as they once were."""

import re
from typing import Any

from playwright.sync_api import expect

from tests.e2e.dashboard.conftest import Screen
from tests.e2e.dashboard.service.world import World
from tests.support.processes import eventually

TITLE = "private-garden may not be read"


def _group(world: World) -> dict[str, Any] | None:
    with world.client as client:
        groups = client.get("/failures").json()["data"]
    return next((group for group in groups if TITLE in group["title"]), None)


def test_a_group_is_resolved_reopened_and_ignored(screen: Screen, world: World) -> None:
    page = screen.page
    run_id = world.launch("scan-secrets", repository="private-garden")
    world.ended(run_id)
    group = eventually(lambda: _group(world), what="the group")
    with world.client as client:
        before = client.get("/job-runs/counts").json()["meta"]["position"]
        edited = {"parameters": {"repository": "public-garden"}}
        client.post(f"/job-runs/{run_id}/retry", json=edited).raise_for_status()
    card = page.locator("li.card", has_text=TITLE)
    screen.open("?view=failures")
    page.get_by_role("button", name="resolved", exact=True).click()
    expect(card).to_contain_text("1 failure, 1 recovered since")
    expect(card).to_contain_text("perhaps with other parameters")
    # Whether a retry of a run helped is said beside it, and whether it had other parameters.
    card.get_by_text("Trend and runs").click()
    row = card.get_by_role("row").filter(has_text=run_id[:18])
    expect(row.locator(".cell-repeated")).to_contain_text("succeeded")
    expect(row.get_by_role("link", name="other parameters")).to_be_visible()
    for action, status, last in (
        ("Reopen", "open", "Ignore"),
        ("Resolve", "resolved", "Reopen"),
        ("Reopen", "open", "Ignore"),
        ("Ignore", "ignored", "Reopen"),
    ):
        card.get_by_role("button", name=action).click()
        expect(card).to_have_count(0)
        page.get_by_role("button", name=status, exact=True).click()
        expect(card.locator(".status").first).to_have_text(status)
        expect(card.get_by_role("button", name=last)).to_be_visible()
    shown_group = _group(world)
    assert shown_group is not None
    assert shown_group["status"] == "ignored"

    screen.open(f"?view=failures&id={group['fingerprint']}&asOf={before}")
    expect(card.locator(".status").first).to_have_text("open")
    for action in ("Retry all", "Resolve", "Reopen", "Ignore"):
        expect(card.get_by_role("button", name=action)).to_have_count(0)


def test_a_group_leads_to_its_trend_and_to_its_runs(screen: Screen) -> None:
    page = screen.page
    screen.open("?view=failures&job=nightly-statistics")
    expect(page.get_by_text("No failure group of nightly-statistics has")).to_be_visible()
    page.get_by_role("button", name="Remove job=nightly-statistics").click()
    card = page.locator("li.card", has_text="repository vanished does not exist")
    expect(card.get_by_text(re.compile(r"^[1-9]\d* failures? within 24 h$"))).to_be_visible()
    expect(card.locator(".sparkline .bad").last).to_be_attached()
    card.get_by_text("Trend and runs").click()
    expect(card.get_by_role("img").last).to_be_visible()
    rows = card.locator("tbody tr")
    expect(rows.filter(has_text="failed")).not_to_have_count(0)
    count = rows.count()
    card.get_by_role("link", name="Runs", exact=True).click()
    expect(page.locator(".chip")).to_contain_text("failureGroup=")
    expect(page.locator("tbody tr")).to_have_count(count)


def test_the_logs_of_a_groups_runs_are_searched(screen: Screen) -> None:
    page = screen.page
    screen.open("?view=failures")
    card = page.locator("li.card", has_text="repository vanished does not exist")
    card.get_by_text("Trend and runs").click()
    search = card.get_by_label("Search in these runs' logs")
    search.fill("no such line")
    search.press("Enter")
    expect(card.get_by_role("status")).to_contain_text(
        re.compile(r"^0 of [1-9]\d* logs? contain it\.")
    )
    search.fill("SCANNING vanished")
    search.press("Enter")
    expect(card.get_by_role("status")).to_contain_text(re.compile(r"^([1-9]\d*) of \1 logs"))
    match = card.locator(".found-logs > li").first
    expect(match.locator("mark")).to_have_text("scanning vanished")
    match.get_by_role("link", name="1 line", exact=True).click()
    expect(page.get_by_label("Search in the log")).to_have_value("SCANNING vanished")
    expect(page.get_by_role("search").get_by_role("status")).to_have_text("1 found")
    page.go_back()
    expect(card.get_by_role("status")).to_contain_text(re.compile(r"^([1-9]\d*) of \1 logs"))
    expect(search).to_have_value("SCANNING vanished")
