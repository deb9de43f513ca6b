"""Workers: one of them is drained, says so, and ends once what it runs has ended."""

from typing import Any

from playwright.sync_api import expect

from tests.e2e.dashboard.conftest import Screen
from tests.e2e.dashboard.service.world import World
from tests.support.processes import eventually


def _busy(world: World) -> dict[str, Any] | None:
    with world.client as client:
        workers = client.get("/workers").json()["data"]
    return next((one for one in workers if one["busy"] > 0), None)


def test_a_drained_worker_says_so_and_ends_after_what_it_runs(screen: Screen, world: World) -> None:
    page = screen.page
    world.start_worker()
    long = world.launch("nightly-statistics", until_canceled=True)
    worker = eventually(lambda: _busy(world), what="a busy worker")
    screen.open("?view=workers")
    row = page.get_by_role("row").filter(has_text=worker["id"])
    expect(row.locator(".status")).to_have_text("alive")
    row.get_by_text("handlers").click()
    expect(row).to_contain_text("nightly-statistics")
    row.get_by_role("button", name="Drain …").click()
    dialog = page.get_by_role("dialog", name=f"Drain {worker['id']}")
    dialog.get_by_role("button", name="Drain", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="Draining")).to_be_visible()
    expect(row.locator(".status")).to_have_text("draining")
    expect(row.get_by_role("button")).to_have_count(0)

    other = world.ended(world.launch("scan-secrets", repository="docs"))
    assert other["status"] == "succeeded"
    with world.client as client:
        client.post(f"/job-runs/{long}/cancel").raise_for_status()
    expect(row).to_have_count(0)
    assert world.ended(long)["status"] == "canceled"
