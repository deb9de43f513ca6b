"""The list of runs: views that are kept, runs that are ticked, orders that are refused."""

from playwright.sync_api import expect

from tests.e2e.dashboard.conftest import Screen, World

KEPT = "All scans"


def test_a_view_is_saved_left_chosen_again_and_deleted(screen: Screen) -> None:
    page = screen.page
    screen.open("?view=runs")
    filter_box = page.get_by_role("combobox", name="Filter")
    filter_box.fill("job=scan-secrets status!=failed")
    filter_box.press("Enter")
    views = page.locator("details.menu", has_text="Saved views")
    views.locator("summary").click()
    views.get_by_label("Name of the view").fill(KEPT)
    views.get_by_role("button", name="Save this view").click()
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
    if views.get_attribute("open") is None:
        views.locator("summary").click()
    views.get_by_role("button", name=f"Forget {KEPT}").click()
    expect(views.get_by_role("button", name=KEPT, exact=True)).to_have_count(0)
    page.reload()
    views.locator("summary").click()
    expect(views.get_by_label("Name of the view")).to_be_visible()
    expect(views.get_by_role("button", name=KEPT, exact=True)).to_have_count(0)


def test_ticked_runs_are_canceled_and_others_left(screen: Screen, world: World) -> None:
    page = screen.page
    first, second, third = [
        world.launch("send-release-notes", app="ticked", version=str(number))
        for number in range(3)
    ]
    screen.open("?view=runs&job=send-release-notes&parameters.app=ticked")
    for run_id in (first, second):
        page.get_by_label(f"Select run {run_id[-8:]}").check()
    ticked = page.locator(".selection")
    expect(ticked).to_contain_text("2 runs selected")
    ticked.get_by_role("button", name="Cancel …").click()
    asked = page.get_by_role("dialog", name="Cancel runs")
    expect(asked).to_contain_text("2 runs selected")
    asked.get_by_label("Why").fill("sent by hand")
    asked.get_by_role("button", name="Cancel 2 runs").click()
    expect(page.locator("tbody .status")).to_have_text(
        ["pending", "canceled", "canceled"]
    )
    expect(ticked).not_to_contain_text("selected")
    with world.client as client:
        events = client.get(f"/job-runs/{first}/events").json()["data"]
        client.post(f"/job-runs/{third}/cancel").raise_for_status()
    assert events[-1]["data"]["reason"] == "sent by hand"


def test_what_is_refused_of_ticked_runs_is_said_run_by_run(
    screen: Screen, world: World
) -> None:
    screen.is_outage_expected = True  # Browsers complain of every 409.
    page = screen.page
    run_id = world.launch("send-release-notes", app="refused", version="1")
    screen.open("?view=runs&job=send-release-notes&parameters.app=refused")
    page.get_by_label("Select all shown").check()
    page.locator(".selection").get_by_role("button", name="Retry …").click()
    page.get_by_role("dialog").get_by_role("button", name="Retry 1 run").click()
    said = page.locator(".announcer.is-wrong")
    expect(said).to_contain_text(run_id)
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
    asked = page.get_by_role("dialog", name="Cancel runs")
    expect(asked.get_by_role("alert")).to_contain_text("400 · validation_failed")
    expect(asked.get_by_label("Why")).to_have_count(0)
    page.keyboard.press("Escape")
    page.locator(".selection").get_by_role("button", name="Rerun …").click()
    asked = page.get_by_role("dialog", name="Rerun runs")
    asked.get_by_label("Why").fill("other parameters")
    asked.get_by_label("Parameters to replace").fill('{"depth": 2}')
    asked.locator("button.danger").click()
    expect(asked.locator(".problem")).to_contain_text("job")
    with world.client as client:
        assert client.get("/bulk").json()["data"] == before
