"""A run's page: attempts and runs compared, the same launch elsewhere, a log taken along."""

import json
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import ViewportSize, expect

from tests.e2e.dashboard.conftest import Screen
from tests.e2e.dashboard.service.world import World
from tests.support.processes import eventually

HIGH: ViewportSize = {"width": 1280, "height": 1400}
"""Room for a whole log."""


def test_attempts_stand_beside_each_other_each_with_its_log(screen: Screen, world: World) -> None:
    page = screen.page
    screen.open(f"?view=run&id={world.retried_run}")
    attempts = page.get_by_role("table", name="Attempts").get_by_role("row")
    expect(attempts).to_have_count(3)
    expect(attempts.nth(1)).to_contain_text("Attempt 1")
    expect(attempts.nth(1)).to_contain_text("failed")
    expect(attempts.nth(1)).to_contain_text("the browser did not answer")
    expect(attempts.nth(2)).to_contain_text("Attempt 2")
    expect(attempts.nth(2)).to_contain_text("succeeded")
    expect(attempts.nth(2)).not_to_contain_text("the browser did not answer")
    page.get_by_role("link", name="Log", exact=True).last.click()
    page.get_by_label("Attempts").select_option("Attempt 1")
    expect(page.get_by_role("log")).to_contain_text("ConnectionError")
    page.get_by_label("Attempts").select_option("Attempt 2")
    expect(page.get_by_role("log")).not_to_contain_text("ConnectionError")


def test_between_attempts_only_those_count_that_have_started(screen: Screen, world: World) -> None:
    page = screen.page
    policy = {"maxAttempts": 3, "strategy": "fixed", "initialDelayMs": 3_600_000}
    with world.client as client:
        job = client.get("/jobs/render-previews").json()["data"]["job"]
        fields = {name: job[name] for name in ("type", "entryPoint", "parametersSchema")}
        body = {**fields, "slug": "render-hourly", "name": "Hourly", "retryPolicy": policy}
        client.post("/jobs", json=body).raise_for_status()
        run_id = world.launch("render-hourly", app="docs")
        path = f"/job-runs/{run_id}"
        eventually(
            lambda: client.get(path).json()["data"]["run"]["attempt"] == 2, what="the back-off"
        )
        screen.open(f"?view=run&id={run_id}&tab=log")
        expect(page.get_by_role("log")).to_contain_text("ConnectionError")
        expect(page.locator(".facts")).to_contain_text("1 of 3")
        client.post(f"{path}/cancel", json={"reason": "too late"}).raise_for_status()
    page.get_by_role("link", name="Story", exact=True).click()
    summary = page.locator(".explanation .summary")
    expect(summary).to_have_text("canceled while it waited for attempt 2 of 3: too late")


def test_a_run_is_compared_with_another(screen: Screen, world: World) -> None:
    screen.is_outage_expected = True  # Browsers complain of every 404.
    page = screen.page
    one, other = [world.launch("scan-secrets", repository="docs", depth=depth) for depth in (1, 4)]
    for run_id in (one, other):
        world.ended(run_id)
    screen.open(f"?view=run&id={one}&tab=data")
    compared = page.locator("section", has_text="Compare with another run")
    box = page.get_by_label("Id of the other run")
    box.fill(other)
    compared.get_by_role("button", name="Compare").click()
    differs = compared.locator(".differences > div")
    depth = differs.filter(has_text="parameters.depth")
    expect(depth.locator("del")).to_have_text("1")
    expect(depth.locator("ins")).to_have_text("4")
    expect(differs.filter(has_text="result").locator("ins")).to_have_text("4")
    expect(differs.filter(has_text="repository")).to_have_count(0)
    assert f"compare={other}" in page.url
    page.reload()
    expect(depth.locator("ins")).to_have_text("4")
    box.fill(one[:18])  # As lists show it.
    compared.get_by_role("button", name="Compare").click()
    expect(compared.get_by_text("The two runs do not differ.")).to_be_visible()
    box.fill("nobody")
    compared.get_by_role("button", name="Compare").click()
    expect(compared.get_by_role("alert")).to_contain_text("run_not_found")


@pytest.mark.parametrize("way", ["curl", "CLI", "Python"])
def test_what_is_copied_launches_the_same_wherever_it_is_pasted(
    screen: Screen, world: World, tmp_path: Path, way: str
) -> None:
    page = screen.page
    parameters = {"repository": 'it\'s "$HOME" \\n ü', "depth": 2, "branch": "next"}
    options = {"priority": 7, "timeoutMs": 90_000, "delayMs": 1_500, "context": {"why": "it's I"}}
    with world.client as client:
        body = {"parameters": parameters, **options}
        run = client.post("/jobs/scan-secrets/run", json=body).raise_for_status().json()["data"]
    run_id = run["id"]
    world.ended(run_id)
    allowed = ["clipboard-read", "clipboard-write"]
    page.context.grant_permissions(allowed, origin=world.url)
    screen.open(f"?view=run&id={run_id}")
    page.get_by_text("Copy as").click()
    page.get_by_role("button", name=f"Copy: {way}").click()
    expect(page.get_by_role("status").filter(has_text="Copied")).to_be_visible()
    text = page.evaluate("navigator.clipboard.readText()")
    before = _newest(world)
    _paste(text, way, tmp_path)
    again = _newest(world)
    assert again not in {before, run_id}
    launched = world.ended(again)
    assert launched["parameters"] == parameters
    for name in ("priority", "timeoutMs", "context"):
        assert launched[name] == options[name]
    created, due = (datetime.fromisoformat(launched[name]) for name in ("createdAt", "scheduledAt"))
    assert due - created == timedelta(milliseconds=1_500)


def _newest(world: World) -> str:
    with world.client as client:
        [newest] = client.get("/job-runs?job=scan-secrets&limit=1").json()["data"]
    return str(newest["run"]["id"])


def _paste(text: str, way: str, directory: Path) -> None:
    """Run what was copied, where nothing else says at which address the service is."""
    command = ["sh", "-c", text]
    if way == "Python":
        command = [sys.executable, "-c", text]
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"PATH": programs, "HOME": str(directory)}
    done = subprocess.run(
        command,
        env=environment,
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    if way == "curl":
        assert json.loads(done.stdout)["data"]["status"] == "pending"


def test_a_log_is_downloaded_whole(screen: Screen, world: World) -> None:
    page = screen.page
    screen.open(f"?view=run&id={world.retried_run}&tab=log")
    page.get_by_label("Attempts").select_option("Attempt 2")
    expect(page.get_by_role("log")).to_contain_text("page 1 of storefront")
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download").click()
    download = downloading.value
    assert download.suggested_filename == f"{world.retried_run}-2.log"
    with world.client as client:
        path = f"/job-runs/{world.retried_run}/logs"
        log = client.get(path, params={"attempt": 2}).text
    assert Path(download.path()).read_text() == log


def test_a_log_is_searched_and_left_for_its_end(screen: Screen, world: World) -> None:
    page = screen.page
    run_id = world.launch("render-previews", app="long", pages=60)
    world.ended(run_id)
    page.set_viewport_size(HIGH)
    screen.open(f"?view=run&id={run_id}&tab=log")
    log = page.get_by_role("log")
    end = log.get_by_text("page 60 of long")
    expect(end).to_be_in_viewport()
    search = page.get_by_label("Search in the log")
    search.fill("PAGE 7 OF")
    expect(page.get_by_text("1 found", exact=True)).to_be_visible()
    search.press("Enter")
    current = log.locator(".is-current")
    expect(current).to_contain_text("page 7 of long")
    expect(current).to_be_in_viewport()
    expect(end).not_to_be_in_viewport()
    latest = page.get_by_role("button", name="Jump to the latest")
    latest.click()
    expect(end).to_be_in_viewport()
    expect(latest).to_be_disabled()


def test_a_run_is_retried_from_its_page(screen: Screen, world: World) -> None:
    page = screen.page
    run_id = world.launch("scan-secrets", repository="private-cellar")
    world.ended(run_id)
    screen.open(f"?view=run&id={run_id}")
    page.get_by_role("button", name="Retry", exact=True).click()
    heading = page.locator("h1 .id")
    expect(heading).not_to_have_text(run_id)
    again = world.ended(heading.inner_text())
    assert again["context"]["retryOf"] == run_id
    page.locator(".facts").get_by_role("link", name=run_id[:18]).click()
    expect(heading).to_have_text(run_id)
    expect(page.locator(".facts").get_by_role("link", name=again["id"][:18])).to_be_visible()


def test_a_failed_run_tells_why_and_what_was_launched_to_repeat_it(
    screen: Screen, world: World
) -> None:
    page = screen.page
    run_id = world.launch("scan-secrets", repository="private-garret")
    message = world.ended(run_id)["errorMessage"]
    with world.client as client:
        # The group is noted a moment later.
        group = eventually(lambda: _group_of(client, run_id), what="the failure's group")
        order = {
            "action": "retry",
            "filter": ["job=scan-secrets", "parameters.repository=private-garret"],
        }
        order |= {"reason": "the key is there now"}
        bulk = client.post("/bulk", json=order).raise_for_status().json()["data"]
    screen.open(f"?view=run&id={run_id}")
    failure = page.get_by_role("region", name="Why it failed")
    expect(failure.locator(".error-message")).to_have_text(message)
    expect(page.get_by_role("table", name="Attempts")).not_to_contain_text(message)
    own = failure.locator(".frames li").first
    expect(own).to_contain_text("jobs_of_apphub.py")
    expect(own).to_contain_text("raise PermanentError(")
    expect(failure).to_contain_text("scanning private-garret at main")
    expect(failure.get_by_label("Parameters", exact=True)).to_contain_text("private-garret")
    expect(failure.get_by_role("link", name=group["title"])).to_be_visible()
    again = failure.locator(".needs li")
    expect(again).to_contain_text("failed")  # How that went.

    screen.open(f"?view=bulk&id={bulk['id']}")
    card = page.locator("li.card")
    expect(card).to_contain_text("1 failed")
    card.get_by_role("table").get_by_role("link").first.click()
    expect(page.locator("h1 .id")).not_to_have_text(run_id)
    page.locator(".facts").get_by_role("link", name="Retry runs").click()
    expect(card).to_contain_text("the key is there now")
    with world.client as client:  # Other tests look at what is open.
        client.post(f"/failures/{group['fingerprint']}/resolve").raise_for_status()


def _group_of(client: httpx.Client, run_id: str) -> dict[str, Any] | None:
    group: dict[str, Any] | None
    group = client.get(f"/job-runs/{run_id}/related").json()["data"]["failureGroup"]
    return group


def test_events_lead_to_the_log_and_to_all_that_was_caused(screen: Screen, world: World) -> None:
    page = screen.page
    screen.open(f"?view=run&id={world.retried_run}")
    page.locator(".tabs").get_by_role("link", name="Events").click()
    first = page.locator("ol.events > li").first
    first.get_by_text("Data", exact=True).click()
    expect(first.locator("pre")).to_contain_text("storefront")
    position = first.locator("header a")
    number = position.inner_text()
    position.click()
    newest = page.locator(".log-events > li").first
    expect(newest.locator(".position")).to_have_text(number)
    page.go_back()
    first.get_by_role("link", name="all it caused").click()
    expect(page.locator(".log-filter .chip")).to_contain_text("correlation")
    events = page.locator(".log-events > li").filter(has_text=world.retried_run)
    expect(events.filter(has_text="job_run.succeeded")).to_have_count(1)


def test_what_a_run_left_is_copied(screen: Screen, world: World) -> None:
    page = screen.page
    allowed = ["clipboard-read", "clipboard-write"]
    page.context.grant_permissions(allowed, origin=world.url)
    screen.open(f"?view=run&id={world.retried_run}")
    page.locator(".tabs").get_by_role("link", name="Data").click()
    page.get_by_role("button", name="Copy: Result").click()
    expect(page.get_by_role("status").filter(has_text="Copied")).to_be_visible()
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert copied == world.ended(world.retried_run)["result"]


def test_long_parameters_are_folded_until_they_are_asked_for(screen: Screen, world: World) -> None:
    page = screen.page
    long = "a-repository-" * 200
    run_id = world.launch("scan-secrets", repository=long)
    screen.open(f"?view=run&id={run_id}&tab=data")
    fold = page.get_by_text(re.compile("^Show all .* characters")).first
    parameters = page.get_by_label("Parameters", exact=True)
    expect(fold).to_be_visible()
    expect(parameters).to_be_hidden()
    fold.click()
    expect(parameters).to_contain_text(long)
