"""The list of runs: filters, views that are kept, runs that are ticked, orders about many."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.dashboard.conftest import NARROW, WIDE, Screen
from tests.e2e.dashboard.service.world import World

KEPT = "All scans"

COVERS = """(one, other) => {
    const [above, below] = [one, other].map((element) => element.getBoundingClientRect());
    return above.top < below.bottom && above.bottom > below.top;
}"""
"""Whether one element lies upon another, where both are as wide as the page."""


def test_a_view_is_saved_left_chosen_again_and_deleted(screen: Screen) -> None:
    page = screen.page
    screen.open("?view=runs")
    filter_box = page.get_by_role("combobox", name="Filter")
    filter_box.fill("job=scan-secrets status!=failed")
    filter_box.press("Enter")
    views = page.locator("details.menu", has_text="Saved views")
    views.locator("summary").click()
    name = views.get_by_label("Name of the view")
    name.fill(KEPT)
    page.set_viewport_size(NARROW)
    views.get_by_role("button", name="Save this view").click()
    expect(page.locator(".announcer")).to_have_text(f"{KEPT} is saved")
    assert not page.locator(".announcer").evaluate(COVERS, name.element_handle())
    page.set_viewport_size(WIDE)
    expect(views.get_by_role("button", name=KEPT, exact=True)).to_be_visible()

    page.get_by_role("link", name="Overview").click()
    page.get_by_role("link", name="Runs").first.click()
    expect(page.locator(".chip")).to_have_count(0)
    page.reload()
    views.locator("summary").click()
    views.get_by_role("button", name=KEPT, exact=True).click()
    chips = page.locator(".chip")
    expect(chips).to_have_text(["job=scan-secrets", "status!=failed"])
    assert "job=scan-secrets" in page.url
    views.locator("summary").click()
    views.get_by_role("button", name=f"Forget {KEPT}").click()
    expect(page.locator(".announcer")).to_have_text(f"{KEPT} is deleted")
    expect(views.get_by_role("button", name=KEPT, exact=True)).to_have_count(0)
    expect(views.get_by_label("Name of the view")).to_be_visible()
    page.reload()
    views.locator("summary").click()
    expect(views.get_by_label("Name of the view")).to_be_visible()
    expect(views.get_by_role("button", name=KEPT, exact=True)).to_have_count(0)


SHARED = "All failed scans \u202e" + "x" * 70


def test_a_view_for_everybody_is_opened_replaced_and_deleted_in_another_browser(
    screen: Screen, stranger: Screen
) -> None:
    screen.open("?view=runs&job=scan-secrets&status!=failed&sort=duration")
    mine = screen.page.locator("details.menu", has_text="Saved views")
    mine.locator("summary").click()
    mine.get_by_label("Name of the view").fill(SHARED)
    mine.get_by_label("For whom").select_option("for everybody")
    mine.get_by_role("button", name="Save this view").click()
    expect(mine.get_by_role("button", name=SHARED, exact=True)).to_be_visible()

    page = stranger.page
    page.set_viewport_size(NARROW)
    stranger.open("?view=runs")
    views = page.locator("details.menu", has_text="Saved views")
    views.locator("summary").click()
    shared = views.get_by_role("button", name=SHARED, exact=True)
    expect(views.get_by_role("listitem")).to_contain_text("anonymous")
    assert shared.evaluate("one => one.scrollWidth <= one.clientWidth")
    stranger.picture("saved views", "narrow")
    shared.click()
    expect(page.locator(".chip")).to_have_text(["job=scan-secrets", "status!=failed"])
    expect(page.get_by_label("Sort")).to_have_value("duration")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]

    page.get_by_role("button", name="Remove status!=failed").click()
    expect(page.locator(".chip")).to_have_text(["job=scan-secrets"])
    views.locator("summary").click()
    views.get_by_label("Name of the view").fill(SHARED)
    views.get_by_label("For whom").select_option("for everybody")
    views.get_by_role("button", name="Save this view").click()
    page.get_by_role("dialog").get_by_role("button", name="Replace the view").click()
    expect(page.locator(".announcer")).to_have_text(f"{SHARED} is saved")
    view = mine.get_by_role("button", name=SHARED, exact=True)
    expect(view).to_have_attribute("title", "job=scan-secrets")

    views.locator("summary").click()
    views.get_by_role("button", name=f"Delete {SHARED} for everybody").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete the view").click()
    expect(page.locator(".announcer")).to_have_text(f"{SHARED} is deleted")
    expect(view).to_have_count(0)


def test_ticked_runs_are_canceled_and_others_left(screen: Screen, world: World) -> None:
    page = screen.page
    first, second, third = [
        world.launch("send-release-notes", app="ticked", version=str(number)) for number in range(3)
    ]
    screen.open("?view=runs&job=send-release-notes&parameters.app=ticked")
    for run_id in (first, second):
        page.get_by_label(f"Select run {run_id[:18]}").check()
    ticked = page.locator(".selection")
    expect(ticked).to_contain_text("2 runs selected")
    ticked.get_by_role("button", name="Cancel …").click()
    dialog = page.get_by_role("dialog", name="Cancel runs")
    expect(dialog).to_contain_text("2 runs selected")
    dialog.get_by_label("Reason").fill("sent by hand")
    dialog.get_by_role("button", name="Cancel 2 runs").click()
    expect(page.locator("tbody .status")).to_have_text(["pending", "canceled", "canceled"])
    expect(ticked).not_to_contain_text("selected")
    with world.client as client:
        events = client.get(f"/job-runs/{first}/events").json()["data"]
        client.post(f"/job-runs/{third}/cancel").raise_for_status()
    assert events[-1]["data"]["reason"] == "sent by hand"


def test_what_is_refused_of_ticked_runs_is_said_run_by_run(screen: Screen, world: World) -> None:
    screen.is_outage_expected = True  # Browsers complain of every 409.
    page = screen.page
    run_id = world.launch("send-release-notes", app="refused", version="1")
    screen.open("?view=runs&job=send-release-notes&parameters.app=refused")
    page.get_by_label("Select all rows").check()
    page.locator(".selection").get_by_role("button", name="Retry …").click()
    page.get_by_role("dialog").get_by_role("button", name="Retry 1 run").click()
    announcement = page.locator(".announcer.is-wrong")
    expect(announcement).to_contain_text(run_id)
    with world.client as client:
        client.post(f"/job-runs/{run_id}/cancel").raise_for_status()
    assert world.ended(run_id)["status"] == "canceled"


def test_a_bulk_order_that_means_nothing_is_refused_before_anything_is_done(
    screen: Screen, world: World
) -> None:
    screen.is_outage_expected = True  # Browsers complain of every 400.
    page = screen.page
    with world.client as client:
        before = client.get("/bulk").json()["data"]
    screen.open("?view=runs&status=succeeded")
    page.locator(".selection").get_by_role("button", name="Cancel …").click()
    dialog = page.get_by_role("dialog", name="Cancel runs")
    expect(dialog.get_by_role("alert")).to_contain_text("400 · validation_failed")
    expect(dialog.get_by_label("Reason")).to_have_count(0)
    page.keyboard.press("Escape")
    page.locator(".selection").get_by_role("button", name="Rerun …").click()
    dialog = page.get_by_role("dialog", name="Rerun runs")
    dialog.get_by_label("Reason").fill("other parameters")
    dialog.get_by_label("Parameters to replace").fill('{"depth": 2}')
    dialog.locator("button.danger").click()
    expect(dialog.locator(".problem")).to_contain_text("job")
    with world.client as client:
        assert client.get("/bulk").json()["data"] == before


def test_a_filter_is_written_with_help_and_taken_back(screen: Screen) -> None:
    page = screen.page
    screen.open("?view=runs")
    box = page.get_by_role("combobox", name="Filter")
    offered = page.get_by_role("listbox", name="Filter").get_by_role("option")
    chips = page.locator(".chip")
    box.press_sequentially("stat")
    expect(offered).to_have_text(["status=", "status!="])
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        box.press(key)
    expect(box).to_have_value("status!=")
    box.press_sequentially("succ")
    offered.get_by_text("status!=succeeded").click()
    expect(chips).to_have_text(["status!=succeeded"])
    box.press_sequentially("job=scan-secrets")
    expect(offered).to_have_text(["job=scan-secrets"])
    box.press("Escape")
    expect(offered).to_have_count(0)
    box.press("Enter")
    expect(chips).to_have_text(["status!=succeeded", "job=scan-secrets"])
    box.press("Backspace")
    expect(chips).to_have_text(["status!=succeeded"])
    page.get_by_role("button", name="Clear the filter").click()
    expect(chips).to_have_count(0)
    expect(page).to_have_url(re.compile(r"\?view=runs$"))


def test_statuses_are_chosen_together_and_one_by_one(screen: Screen) -> None:
    page = screen.page
    screen.open("?view=runs&job=scan-secrets")
    choices = page.get_by_role("group", name="Status")
    statuses = page.locator("tbody .status")
    for status in ("failed", "succeeded"):
        choices.get_by_role("button", name=status).click()
    expect(page.locator(".chip").last).to_have_text("status=failed,succeeded")
    for status in ("failed", "succeeded"):
        expect(statuses.filter(has_text=status)).not_to_have_count(0)
    choices.get_by_role("button", name="failed").click()
    expect(statuses.filter(has_text="failed")).to_have_count(0)
    pressed = choices.locator("[aria-pressed=true]")
    expect(pressed).to_have_text(["succeeded"])


def test_runs_are_sorted_by_when_they_started_and_ended_and_how_long_they_took(
    screen: Screen, world: World
) -> None:
    page = screen.page
    for run_id in [world.launch("scan-secrets", repository=f"sorted-{n}") for n in range(3)]:
        world.ended(run_id)
    screen.open("?view=runs&job=scan-secrets")
    fields = {"started": "startedAt", "ended": "completedAt", "duration": "durationMs"}
    for sort, field in fields.items():
        page.get_by_label("Sort").select_option(sort)
        expect(page).to_have_url(re.compile(rf"sort={sort}&job=scan-secrets$"))
        with world.client as client:
            query = {"job": "scan-secrets", "sort": sort, "limit": "50"}
            listed = client.get("/job-runs", params=query).raise_for_status().json()["data"]
        values = [item["run"][field] for item in listed]
        assert values == sorted(values, reverse=True)
        ids = [item["run"]["id"][:18] for item in listed]
        assert len(ids) >= 3
        expect(page.locator("tbody a.id")).to_have_text(ids)


def test_a_run_that_comes_to_match_is_offered_whatever_the_order(
    screen: Screen, world: World
) -> None:
    """It is older than what is shown: that it has ended is news all the same."""
    page = screen.page
    first, second = [world.launch("nightly-statistics", until_canceled=True) for _ in range(2)]
    world.ended(world.launch("scan-secrets", repository="newer"))
    offered = page.get_by_role("button", name="1 new run: show")
    for run_id, query in (
        (first, "status=succeeded,canceled"),
        (second, "status=succeeded,canceled&sort=ended"),
    ):
        screen.open(f"?view=runs&{query}")
        expect(page.locator("tbody a.id").filter(has_text=run_id[:18])).to_have_count(0)
        with world.client as client:
            client.post(f"/job-runs/{run_id}/cancel").raise_for_status()
        offered.click()
        expect(page.locator("tbody a.id").filter(has_text=run_id[:18])).to_be_visible()


def test_a_ticked_run_is_retried(screen: Screen, world: World) -> None:
    page = screen.page
    one, other = [world.launch("scan-secrets", repository="ticked") for _ in range(2)]
    for run_id in (one, other):
        world.ended(run_id)
    screen.open("?view=runs&parameters.repository=ticked")
    ticked = page.locator(".selection")
    page.get_by_label("Select all rows").check()
    expect(ticked).to_contain_text("2 runs selected")
    ticked.get_by_role("button", name="Select none").click()
    expect(page.get_by_label("Select all rows")).not_to_be_checked()
    page.get_by_label(f"Select run {one[:18]}").check()
    ticked.get_by_role("button", name="Retry …").click()
    page.get_by_role("dialog").get_by_role("button", name="Retry 1 run").click()
    page.get_by_role("button", name="1 new run: show").click()
    expect(page.locator("tbody tr")).to_have_count(3)
    page.locator("tbody a.id").first.click()
    expect(page.locator(".facts")).to_contain_text(f"Retry of{one[:18]}")


@pytest.fixture
def waiting(world: World) -> Iterator[str]:
    """Give a filter by which two runs are found that wait, and whatever repeats them."""
    for version in ("1", "2"):
        world.launch("send-release-notes", app="matching", version=version)
    yield "?view=runs&job=send-release-notes&parameters.app=matching"
    with world.client as client:
        for run in _matching(client.get):
            client.post(f"/job-runs/{run['id']}/cancel").raise_for_status()


def _matching(get: Any) -> list[dict[str, Any]]:
    query = {"parameters.app": "matching", "status": "pending"}
    return [entry["run"] for entry in get("/job-runs", params=query).json()["data"]]


def test_all_that_match_are_canceled_retried_and_rerun_with_other_parameters(
    screen: Screen, world: World, waiting: str
) -> None:
    page = screen.page
    patch = json.dumps({"version": "3"})
    for query, action in (
        (waiting, "Cancel"),
        (f"{waiting}&status=canceled", "Retry"),
        (f"{waiting}&status=canceled", "Rerun"),
    ):
        screen.open(query)
        page.locator(".selection").get_by_role("button", name=action).click()
        dialog = page.get_by_role("dialog", name=f"{action} runs")
        dialog.get_by_label("Reason").fill("the notes were wrong")
        if action == "Rerun":
            dialog.get_by_label("Parameters to replace").fill(patch)
        dialog.get_by_role("button", name=f"{action} 2 runs").click()
        expect(page.get_by_text("2 of 2 done, 0 refused")).to_be_visible()
        expect(page.locator("li.card .screen-head .status")).to_have_text("completed")
    with world.client as client:
        versions = [run["parameters"]["version"] for run in _matching(client.get)]
    assert sorted(versions) == ["1", "2", "3", "3"]
    page.get_by_role("link", name="Runs").click()
    page.get_by_role("link", name="Bulk operations").click()
    expect(page.locator("li.card", has_text="the notes were wrong")).to_have_count(3)
