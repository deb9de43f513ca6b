"""The overview leads to what it tells of."""

import re

from playwright.sync_api import expect

from domain.jobs.run_events import FINAL
from tests.e2e.dashboard.conftest import Screen
from tests.e2e.dashboard.service.world import World
from tests.e2e.support import launch, register
from tests.support.processes import eventually


def test_counts_lead_to_the_runs_that_they_count(screen: Screen) -> None:
    page = screen.page
    screen.open()
    counted = page.get_by_role("list", name="Runs by status")
    counted.get_by_role("link", name="failed").click()
    expect(page.locator(".chip")).to_have_text(["status=failed"])
    expect(page.locator("tbody .status-failed")).not_to_have_count(0)


def test_what_needs_a_person_leads_to_its_group(screen: Screen, world: World) -> None:
    page = screen.page
    world.ended(world.launch("scan-secrets", repository="private-attic"))
    screen.open()
    page.get_by_role("link", name="private-attic may not be read").click()
    card = page.locator("li.card")
    expect(card).to_have_count(1)
    expect(card.locator("tbody tr")).to_have_count(1)
    page.get_by_role("button", name="open", exact=True).click()
    expect(card).not_to_have_count(1)


def test_runs_that_no_worker_takes_need_a_person(screen: Screen, world: World) -> None:
    needs = screen.page.get_by_role("listitem").filter(has_text="unmanned waits")
    with world.client as client:
        register(client, "unmanned", "no.such.handler")
        run_id = launch(client, "unmanned")
        screen.open()
        expect(needs).to_contain_text("no living worker offers no.such.handler")
        client.post(f"/job-runs/{run_id}/cancel").raise_for_status()
        screen.open()
        expect(needs).to_have_count(0)


def test_how_runs_fare_is_counted_by_the_service_and_leads_to_them(
    screen: Screen, world: World
) -> None:
    page = screen.page
    for repository in ("first", "second"):
        world.ended(world.launch("scan-secrets", repository=repository))
    # The service counts every other second; the page, which asks now, would ask again much later.
    eventually(lambda: _counted(world) >= _ended(world), what="the service's counts")
    screen.open()
    trends = page.locator(".trends")
    # More may end meanwhile; what the newest page of runs holds is no bound.
    eventually(
        lambda: f"{_ended(world)} ended" in trends.inner_text(), what="all that ended being counted"
    )
    job = trends.get_by_role("row").filter(has_text="scan-secrets")
    expect(job.get_by_role("link", name="%")).to_have_attribute("href", re.compile("endedAfter="))
    trends.get_by_role("button", name="7 days").click()
    expect(trends.get_by_role("button", name="7 days")).to_have_attribute("aria-pressed", "true")
    assert "range=7d" in page.url
    bars = trends.locator('a.chart-link:has(rect.ok:not([height="0"]))')
    bars.last.dispatch_event("click")
    expect(page.locator(".chip").first).to_contain_text("endedAfter=")
    ended_then = page.get_by_role("row").filter(has_text="scan-secrets")
    expect(ended_then.first).to_contain_text("succeeded")
    screen.open("?view=jobs")
    expect(page.get_by_role("row").filter(has_text="scan-secrets")).to_contain_text("ended")
    screen.open()
    custom = trends.locator("details.menu")
    custom.locator("summary").click()
    for label in ("From", "To"):
        custom.get_by_label(label).fill("2020-02-29T12:00")
    custom.get_by_role("button", name="Show").click()
    expect(custom).not_to_have_attribute("open", "")
    expect(custom.locator("summary")).to_be_focused()
    expect(trends).to_contain_text("In this time nothing was launched, and nothing ended.")
    expect(trends.get_by_text("In this time no run ended.")).to_have_count(2)
    expect(trends).not_to_contain_text("median")
    screen.open("?view=job&id=scan-secrets")
    expect(page.locator(".trends")).to_contain_text("Queue time")


def _counted(world: World) -> int:
    with world.client as client:
        buckets = client.get("/job-runs/statistics").raise_for_status().json()["data"]["buckets"]
    return sum(sum(bucket["ended"].values()) for bucket in buckets)


def _ended(world: World) -> int:
    with world.client as client:
        counts = client.get("/job-runs/counts").raise_for_status().json()["data"]
    return sum(counts[status] for status in FINAL)
