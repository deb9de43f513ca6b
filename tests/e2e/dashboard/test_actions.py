"""What people do with the dashboard, in a real browser against a real service."""

import re

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from domain.jobs.run_events import STATUSES
from tests.e2e.dashboard.conftest import NARROW, WIDE, Screen
from tests.e2e.dashboard.service.world import World
from tests.support.processes import eventually

FOLDED = "() => new Promise((seen) => setTimeout(() => requestAnimationFrame(seen), 100))"
"""What came is folded 60 ms later: a timer that is set after that, and is longer, ends later."""


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_a_launch_is_refused_beside_its_field_then_watched_to_its_end(
    screen: Screen, world: World, size: ViewportSize
) -> None:
    screen.is_outage_expected = True  # Browsers complain of every 400.
    page = screen.page
    page.set_viewport_size(size)
    screen.open("?view=job&id=scan-secrets&tab=launch")
    page.get_by_label("Repository").fill("w")
    page.get_by_label("Depth").fill("9")
    launch = page.locator("form.launch").get_by_role("button", name="Launch")
    launch.click()
    expect(page.get_by_label("Repository")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Depth")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Repository").fill("web")
    page.get_by_label("Depth").fill("2")
    page.get_by_label("Branch").select_option(label="next")
    launch.click()
    expect(page.locator("h1 .status")).to_have_text("succeeded")
    run_id = page.locator("h1 .id").inner_text()
    run = world.ended(run_id)
    assert run["parameters"] == {"repository": "web", "depth": 2, "branch": "next"}


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_a_log_is_followed_and_its_run_canceled(
    screen: Screen, world: World, size: ViewportSize
) -> None:
    page = screen.page
    page.set_viewport_size(size)
    run_id = world.launch("nightly-statistics", until_canceled=True)
    screen.open(f"?view=run&id={run_id}&tab=log")
    expect(page.get_by_role("log")).to_contain_text("row 40")
    page.get_by_role("button", name="Cancel").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("seen enough")
    dialog.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator("h1 .status")).to_have_text("canceled")
    assert world.ended(run_id)["status"] == "canceled"


def test_the_address_keeps_the_filter(screen: Screen, world: World) -> None:
    page = screen.page
    for _ in range(2):
        world.ended(world.launch("scan-secrets", repository="private-kept"))
    screen.open("?view=runs")
    rows = page.get_by_role("row")
    filter_box = page.get_by_role("combobox", name="Filter")
    filter_box.fill("status!=succeeded parameters.repository=private-kept")
    filter_box.press("Enter")
    expect(rows).to_have_count(3)
    assert "status!=succeeded" in page.url
    page.reload()
    expect(rows).to_have_count(3)
    page.get_by_role("button", name="Remove status!=succeeded").click()
    page.get_by_role("button", name="Remove parameters.repository=private-kept").click()
    page.go_back()
    expect(page.locator(".chip")).to_have_count(1)


def test_new_runs_wait_behind_a_pill_and_counts_follow(screen: Screen, world: World) -> None:
    page = screen.page
    screen.open("?view=runs")
    first = page.locator("tbody tr a.id").first
    expect(page.locator(".connection")).to_have_text("Live")
    before = first.inner_text()
    run_id = world.launch("scan-secrets", repository="fresh")
    page.get_by_role("button", name="1 new run: show").wait_for()
    assert first.inner_text() == before
    page.get_by_role("button", name="1 new run: show").click()
    expect(first).to_have_text(run_id[:18])
    world.ended(run_id)
    # What others have launched may end meanwhile.
    eventually(lambda: _shown_counts(page) == _counts(world), what="the counts being shown")


def _counts(world: World) -> dict[str, str]:
    with world.client as client:
        counts = client.get("/job-runs/counts").raise_for_status().json()["data"]
    return {status: str(count) for status, count in counts.items()}


def _shown_counts(page: Page) -> dict[str, str]:
    buttons = page.locator(".status-filter")
    return {status: buttons.locator(f".status-{status} .count").inner_text() for status in STATUSES}


def test_the_past_says_what_it_is_and_the_present_is_one_step_away(screen: Screen) -> None:
    page = screen.page
    screen.open("?view=runs")
    page.get_by_role("button", name="Look at the past").click()
    page.get_by_label("Time (UTC) or position").fill("1")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_text("You are looking at the past")).to_be_visible()
    expect(page.locator(".connection")).to_have_text("Past")
    expect(page.get_by_text("There were no runs yet")).to_be_visible()
    assert "asOf=1" in page.url
    page.get_by_role("link", name="Overview").click()
    assert "asOf=1" in page.url
    page.get_by_role("button", name="Back to the present").click()
    expect(page.locator(".connection")).to_have_text("Live")
    assert "asOf" not in page.url


def test_the_log_is_followed_at_its_head_alone(screen: Screen, world: World) -> None:
    page = screen.page
    with world.client as client:
        [first] = client.get("/events", params={"limit": 1}).json()["data"]
    screen.open("?view=log")
    follow = page.get_by_label("Follow")
    expect(follow).to_be_checked()
    page.keyboard.press("t")
    page.get_by_label("Time (UTC) or position").fill(str(first["position"]))
    page.get_by_role("button", name="Show", exact=True).first.click()
    expect(page.locator(".log-events > li")).to_have_count(1)
    expect(follow).to_be_disabled()
    expect(follow).not_to_be_checked()


def test_a_job_is_revised_from_its_page(screen: Screen, world: World) -> None:
    page = screen.page
    screen.open("?view=job&id=purge-image-cache&tab=revise")
    written = page.get_by_label("Definition", exact=True)
    written.fill(written.input_value().replace('"priority": 0', '"priority": 5'))
    page.get_by_role("button", name="Create the new version").click()
    expect(page.get_by_role("heading", name="revised · version 2")).to_be_visible()
    with world.client as client:
        job = client.get("/jobs/purge-image-cache").json()["data"]["job"]
    assert (job["priority"], job["version"]) == (5, 2)


def test_a_run_is_edited_and_launched_again(screen: Screen, world: World) -> None:
    page = screen.page
    run_id = world.launch("scan-secrets", repository="private-attic")
    world.ended(run_id)
    screen.open(f"?view=run&id={run_id}")
    page.get_by_role("button", name="Edit and rerun").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Repository").fill("docs")
    form.get_by_label("Depth").fill("3")
    form.get_by_role("button", name="Launch").click()
    heading = page.locator("h1 .id")
    expect(heading).not_to_have_text(run_id)
    again = world.ended(heading.inner_text())
    assert again["parameters"] == {"repository": "docs", "depth": 3, "branch": "main"}
    assert again["context"]["retryOf"] == run_id
    page.locator(".facts").get_by_role("link", name=run_id[:18]).click()
    expect(heading).to_have_text(run_id)
    repeat = page.get_by_role("region", name="Why it failed").locator(".needs li")
    expect(repeat).to_contain_text(again["id"][:18])
    expect(repeat).to_contain_text("succeeded")
    repeat.get_by_role("link", name="other parameters").click()
    expect(page.locator(".differences")).to_contain_text("parameters.depth")


def test_the_slider_shows_the_past_while_runs_go_on(screen: Screen, world: World) -> None:
    page = screen.page
    with page.expect_websocket() as opened:
        screen.open()
    expect(page.locator(".connection")).to_have_text("Live")
    count = page.locator(".counts li", has_text="succeeded").locator("strong")
    page.keyboard.press("t")
    page.get_by_label("Moment", exact=True).press("Home")
    expect(page.get_by_text("You are looking at the past")).to_be_visible()
    expect(count).to_have_text("0")
    with opened.value.expect_event(
        "framereceived", lambda frame: "job.run.succeeded" in str(frame)
    ):
        world.ended(world.launch("scan-secrets", repository="unseen"))
    page.evaluate(FOLDED)
    expect(count).to_have_text("0")
    page.get_by_role("button", name="Back to the present").click()
    eventually(
        lambda: count.inner_text() == _counts(world)["succeeded"], what="the count being shown"
    )


def test_a_group_of_failures_is_retried_as_a_whole(screen: Screen, world: World) -> None:
    page = screen.page
    screen.open("?view=failures")
    group = page.locator("li.card", has_text="repository vanished does not exist")
    group.get_by_role("button", name="Retry all").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("runs would be affected")).to_be_visible()
    dialog.get_by_label("Reason").fill("the repository is back")
    # Others may have let it fail as well.
    retry = dialog.get_by_role("button", name=re.compile(r"Retry \d+ runs"))
    [number] = re.findall(r"\d+", retry.inner_text())
    retry.click()
    expect(page.get_by_text(f"{number} of {number} done, 0 refused")).to_be_visible()
    with world.client as client:
        [operation] = client.get("/bulk", params={"limit": 1}).json()["data"]
    assert operation["reason"] == "the repository is back"
