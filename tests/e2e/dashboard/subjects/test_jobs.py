"""A job's page: paused with a reason, what is said of it then, and resumed."""

from playwright.sync_api import expect

from tests.e2e.dashboard.conftest import Screen, World

REASON = "the scanner is being mended"


def test_a_paused_job_says_so_wherever_it_is_seen_until_it_is_resumed(
    screen: Screen, world: World
) -> None:
    page = screen.page
    screen.open("?view=job&id=scan-secrets")
    page.get_by_role("button", name="Pause …").click()
    asked = page.get_by_role("dialog", name="Pause scan-secrets")
    asked.get_by_label("Why").fill(REASON)
    asked.get_by_role("button", name="Pause", exact=True).click()
    note = page.locator(".note")
    for said in ("paused", "anonymous", REASON):
        expect(note).to_contain_text(said)
    run_id = world.launch("scan-secrets", repository="later")

    screen.open("?view=jobs")
    row = page.get_by_role("row").filter(has_text="scan-secrets")
    expect(row.locator(".status")).to_have_text("paused")
    screen.open()
    needs = page.get_by_role("listitem").filter(has_text="scan-secrets is paused")
    expect(needs).to_contain_text(REASON)
    screen.open(f"?view=run&id={run_id}")
    expect(page.locator(".explanation")).to_contain_text(REASON)
    expect(page.locator("h1 .status")).to_have_text("pending")

    screen.open("?view=job&id=scan-secrets")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause …")).to_be_visible()
    expect(note).to_have_count(0)
    assert world.ended(run_id)["status"] == "succeeded"


def test_to_think_better_of_it_pauses_nothing(screen: Screen, world: World) -> None:
    page = screen.page
    screen.open("?view=job&id=scan-secrets")
    page.get_by_role("button", name="Pause …").click()
    page.get_by_role("dialog").get_by_role("button", name="Leave it").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    with world.client as client:
        job = client.get("/jobs/scan-secrets").json()["data"]["job"]
    assert job["paused"] is None
