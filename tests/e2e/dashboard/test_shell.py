"""What stands around every screen: the ways to go anywhere, and what a person prefers."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Request, expect

from tests.e2e.dashboard.conftest import Screen, held_back
from tests.e2e.dashboard.service.world import World

PAGES = {
    "Overview": "o",
    "Runs": "r",
    "Jobs": "j",
    "Failures": "f",
    "Schedules": "s",
    "Workers": "w",
    "Log": "l",
    "Apps": "a",
}
"""Each page's name, with the key that leads there after `g`."""

DARK = "rgb(16, 18, 24)"

FIRST_SCREEN_REQUESTS = 5
FIRST_SCREEN_BYTES = 60_000


def test_the_first_screen_needs_little_and_the_others_follow_by_themselves(
    stranger: Screen,
) -> None:
    page = stranger.page
    loaded: list[Request] = []

    def note(request: Request) -> None:
        if request.resource_type not in {"fetch", "xhr", "websocket"}:
            loaded.append(request)

    page.on("requestfinished", note)
    others = held_back(page, "**/screens.js")
    with page.expect_request("**/screens.js"):
        stranger.open()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    sizes = {request.url: request.sizes()["responseBodySize"] for request in loaded}
    icon = str(page.locator("link[rel=icon]").evaluate("(link) => link.href"))
    sizes[icon] = len(page.request.get(icon).body())  # No window shows it here.
    print(sizes)
    assert len(sizes) <= FIRST_SCREEN_REQUESTS
    assert sum(sizes.values()) <= FIRST_SCREEN_BYTES
    with page.expect_request_finished(lambda request: request.url.endswith("/screens.js")):
        others.pop().continue_()


def test_every_page_is_one_click_or_two_keys_away(screen: Screen) -> None:
    page = screen.page
    screen.open("?view=workers")
    menu = page.get_by_role("navigation", name="Menu")
    for name in PAGES:
        menu.get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()
    for name, key in PAGES.items():
        page.keyboard.press("g")
        page.keyboard.press(key)
        expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()
        expect(menu.locator("[aria-current]")).to_contain_text(name)


@pytest.mark.usefixtures("views")
def test_what_is_searched_for_is_found_whatever_it_is(screen: Screen, world: World) -> None:
    page = screen.page
    run_id = world.retried_run
    screen.open()
    search = page.get_by_role("button", name="Go anywhere")
    box = page.get_by_role("dialog", name="Go anywhere").get_by_role("combobox")
    search.click()
    box.fill("nothing of that kind")
    expect(page.get_by_text("Nothing has that name")).to_be_visible()
    box.fill("bulk")
    page.get_by_role("option", name="Bulk operations").click()
    expect(page.get_by_role("heading", name="Bulk operations", exact=True)).to_be_visible()
    search.click()
    box.fill(run_id)
    box.press("Enter")
    expect(page.locator("h1 .id")).to_have_text(run_id)
    search.click()
    box.fill(run_id[:23])
    page.get_by_role("option", name="Runs with").click()
    expect(page.locator("tbody a.id")).to_have_text([run_id[:18]])
    search.click()
    box.fill("nightly")
    page.get_by_role("option", name="nightly-statistics job", exact=True).click()
    expect(page.get_by_role("heading", name="Nightly statistics")).to_be_visible()
    search.click()
    box.fill("nightly")
    page.get_by_role("option", name="nightly schedule", exact=True).click()
    expect(page.get_by_role("heading", name="nightly", exact=True)).to_be_visible()


def test_actions_are_found_by_name_and_by_key(screen: Screen, world: World) -> None:
    page = screen.page
    screen.open("?view=jobs&asOf=1")
    banner = page.get_by_text("You are looking at the past")
    expect(banner).to_be_visible()
    page.keyboard.press("n")
    expect(banner).to_have_count(0)
    for name, expected in (
        ("Look at the past", page.get_by_label("Moment", exact=True)),
        ("Preferences and keys", page.get_by_label("Colours")),
    ):
        screen.go(name)
        expect(expected).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("region", name="Look at the past").get_by_role("button", name="Close").click()
    expect(page.get_by_label("Moment", exact=True)).to_have_count(0)
    with world.client as client:
        head = client.get("/job-runs/counts").json()["meta"]["position"]
    screen.open(f"?view=run&id={world.retried_run}&asOf={head}")
    screen.go("Back to")
    expect(banner).to_have_count(0)
    assert "asOf" not in page.url


def test_what_a_person_prefers_is_kept(stranger: Screen) -> None:
    page = stranger.page
    stranger.open("?view=jobs")
    changed = page.locator("tbody time").first
    expect(changed).to_have_text(re.compile("just now| ago"))
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Preferences and keys")
    dialog.get_by_label("Colours").select_option("dark")
    dialog.get_by_label("Times").select_option("utc")
    keys = dialog.get_by_label("Single-key shortcuts")
    keys.uncheck()
    dialog.get_by_role("button", name="Close").click()
    page.reload()
    expect(changed).to_have_text(re.compile(r"^\d{4}-\d\d-\d\d \d\d.*UTC$"))
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == DARK
    stranger.open("?view=job&id=scan-secrets")
    expect(page.locator(".chart-times span").first).to_have_text(re.compile(r"\d\d:\d\d UTC$"))
    stranger.open("?view=jobs")
    page.keyboard.press("t")
    page.get_by_role("button", name="Preferences and keys").click()
    expect(keys).not_to_be_checked()
    expect(page.get_by_role("region", name="Look at the past")).to_have_count(0)
    dialog.get_by_label("Times").select_option("local")
    expect(changed).not_to_contain_text("UTC")


def test_menus_and_dialogues_are_left_as_they_are_everywhere(screen: Screen, world: World) -> None:
    page = screen.page
    screen.open(f"?view=run&id={world.retried_run}")
    menu = page.locator("details.menu", has_text="Copy as")
    summary = menu.locator("summary")
    summary.click()
    expect(menu).to_have_attribute("open", "")
    page.keyboard.press("Escape")
    expect(menu).not_to_have_attribute("open", "")
    expect(summary).to_be_focused()
    summary.click()
    page.locator("h1").click()
    expect(menu).not_to_have_attribute("open", "")

    rerun = page.get_by_role("button", name="Edit and rerun")
    dialog = page.get_by_role("dialog", name="Edit and rerun")
    close = dialog.get_by_role("button", name="Close")
    ways: tuple[Callable[[], None], ...] = (
        lambda: page.keyboard.press("Escape"),
        close.click,
        lambda: page.mouse.click(2, 2),
    )
    for leave in ways:
        rerun.click()
        expect(dialog.get_by_label("App")).to_be_visible()
        leave()
        expect(dialog).to_have_count(0)
    rerun.click()
    expect(dialog.get_by_label("App")).to_be_visible()
    page.keyboard.press("Escape")
    expect(rerun).to_be_focused()
