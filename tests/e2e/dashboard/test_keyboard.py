"""Without a mouse: everything can be reached by keys, and done by them."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.dashboard.conftest import Screen
from tests.e2e.dashboard.service.world import World

MAX_STOPS = 60
"""So often somebody may press Tab on the way to anything."""

IS_FOCUSED = "(element) => element === document.activeElement"


def _tab_to(page: Page, target: Locator) -> None:
    target.wait_for()
    for _ in range(MAX_STOPS):
        page.keyboard.press("Tab")
        if target.evaluate(IS_FOCUSED):
            return
    pytest.fail(f"no key leads to {target}")


def test_everything_is_within_reach_of_the_keyboard(screen: Screen) -> None:
    page = screen.page
    screen.open()
    page.keyboard.press("Control+k")
    page.keyboard.type("scan-secr")
    launch = page.get_by_role("option", name="Launch scan-secrets")
    expect(launch).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(launch).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page.locator("form.launch")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_role("combobox", name="Filter")).to_be_focused()
    page.keyboard.type("status=failed")
    page.keyboard.press("Enter")
    expect(page.locator(".chip")).to_have_count(1)
    expect(page.locator("tbody .status-succeeded")).to_have_count(0)
    # A list that has yet to arrive has no succeeded runs either, and no row to go to.
    expect(page.locator("tbody .status-failed").first).to_be_visible()
    expect(page.locator(".answer[inert]")).to_have_count(0)
    page.keyboard.press("Tab")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    # By what is focused, not by its row: a run that fails meanwhile may come before it.
    focused = page.locator("tbody tr a.id:focus")
    page.keyboard.press("j")
    first = focused.inner_text()
    page.keyboard.press("j")
    expect(focused).not_to_have_text(first)
    page.keyboard.press("k")
    expect(focused).to_have_text(first)
    page.keyboard.press("Enter")
    expect(page.locator("h1 .status")).to_have_text("failed")


def test_a_run_is_launched_and_canceled_by_keys_alone(screen: Screen, world: World) -> None:
    screen.is_outage_expected = True  # Browsers complain of every 400.
    page = screen.page
    screen.open()
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
    screen.go("launch nightly")
    pages = page.get_by_label("Delay in ms")
    _tab_to(page, page.get_by_label("Until Canceled"))
    page.keyboard.press("Space")
    _tab_to(page, page.locator("form.launch summary"))
    page.keyboard.press("Enter")
    _tab_to(page, pages)
    page.keyboard.type("-1")
    page.keyboard.press("Enter")
    expect(page.locator("form.launch [role=alert]")).to_contain_text("delayMs")
    for _ in "-1":
        page.keyboard.press("Backspace")
    _tab_to(page, page.locator("form.launch").get_by_role("button", name="Launch"))
    page.keyboard.press("Enter")
    expect(page.locator("h1 .status")).to_have_text("running")
    run_id = page.locator("h1 .id").inner_text()
    _tab_to(page, page.get_by_role("button", name="Cancel"))
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    _tab_to(page, dialog.get_by_label("Reason"))
    page.keyboard.type("without a mouse")
    page.keyboard.press("Enter")
    expect(page.locator("h1 .status")).to_have_text("canceled")
    assert world.ended(run_id)["parameters"] == {"until_canceled": True}


def test_what_is_refused_has_the_focus(screen: Screen) -> None:
    screen.is_outage_expected = True  # Browsers complain of every 400.
    page = screen.page
    screen.open("?view=job&id=scan-secrets&tab=launch")
    page.get_by_label("Repository").fill("web")
    depth = page.get_by_label("Depth")
    depth.fill("9")
    _tab_to(page, page.locator("form.launch").get_by_role("button", name="Launch"))
    page.keyboard.press("Enter")
    expect(depth).to_have_attribute("aria-invalid", "true")
    expect(depth).to_be_focused()
