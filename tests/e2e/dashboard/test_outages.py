"""The service goes away and comes back: the dashboard says so, and goes on by itself."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Locator, Page, expect

from tests.e2e.dashboard.conftest import Screen, held_back
from tests.e2e.dashboard.service.world import World

CONNECT_NOW = "() => document.querySelector('.bar-note.is-lost button')?.click()"

SHOWS_LINE = """(number) => {
    const lines = [...document.querySelectorAll(".line[data-number]")];
    return lines.some((line) => Number(line.dataset.number) >= number);
}"""


@contextmanager
def _outage(world: World) -> Iterator[None]:
    """Kill the API, as a crash would; afterwards it is there again."""
    world.kill_api()
    try:
        yield
    finally:
        world.start_api()


def _link(page: Page, name: str) -> Locator:
    return page.get_by_role("navigation", name="Menu").get_by_role("link", name=name)


def test_a_lost_connection_is_said_and_resumed_without_a_gap(screen: Screen, world: World) -> None:
    screen.is_outage_expected = True
    page = screen.page
    screen.open()
    expect(page.locator(".connection")).to_have_text("Live")
    count = page.locator(".counts li", has_text="succeeded").locator("strong")
    before = int(count.inner_text())
    with _outage(world):
        expect(page.locator(".bar-note")).to_contain_text("Connection lost")
    world.ended(world.launch("scan-secrets", repository="meanwhile"))
    # It may have connected by itself meanwhile.
    page.evaluate(CONNECT_NOW)
    expect(page.locator(".connection")).to_have_text("Live")
    expect(count).to_have_text(str(before + 1))
    expect(page.locator(".bar-note")).to_have_count(0)


def test_without_a_network_the_page_says_so_at_once(stranger: Screen) -> None:
    stranger.is_outage_expected = True
    page = stranger.page
    stranger.open()
    expect(page.locator(".connection")).to_have_text("Live")
    page.context.set_offline(True)
    expect(page.locator(".connection")).to_have_text("Connection lost")
    page.context.set_offline(False)
    expect(page.locator(".connection")).to_have_text("Live")


def test_what_could_not_be_shown_is_as_soon_as_the_service_is_back(
    stranger: Screen, world: World
) -> None:
    stranger.is_outage_expected = True
    page = stranger.page
    stranger.open("?view=jobs")
    _link(page, "Overview").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    failed = page.get_by_role("alert")
    with _outage(world):
        _link(page, "Jobs").click()
        expect(failed).to_contain_text("The service does not answer")
        page.get_by_role("button", name="Try again").click()
        expect(failed).to_contain_text("The service does not answer")
    page.evaluate(CONNECT_NOW)
    expect(page.get_by_role("row").filter(has_text="scan-secrets")).to_be_visible()
    expect(failed).to_have_count(0)


def test_a_log_goes_on_and_a_launch_is_sent_again_after_a_restart(
    screen: Screen, stranger: Screen, world: World
) -> None:
    for one in (screen, stranger):
        one.is_outage_expected = True
    printing = world.launch("nightly-statistics", until_canceled=True)
    screen.open(f"?view=run&id={printing}&tab=log")
    state = screen.page.get_by_role("search")
    expect(state).to_contain_text("· following")
    form = stranger.page.locator("form.launch")
    launch = form.get_by_role("button", name="Launch")
    stranger.open("?view=job&id=scan-secrets&tab=launch")
    form.get_by_label("repository").fill("restarted")
    assert world.api is not None
    world.api.stop()  # It ends what it sends, as if the log were over.
    try:
        launch.click()
        expect(form.get_by_role("alert")).to_have_text("The service does not answer")
        _link(stranger.page, "Overview").click()
    finally:
        world.start_api()
    stranger.page.go_back()
    expect(form.get_by_label("repository")).to_have_value("restarted")
    launch.click()
    run_id = stranger.page.locator("h1 .id").inner_text()
    assert world.ended(run_id)["parameters"]["repository"] == "restarted"
    with world.client as client:
        printed = client.get(f"/job-runs/{printing}/logs", params={"last": 1}).text
        row = int(printed.split()[-1])
        screen.page.wait_for_function(SHOWS_LINE, arg=row)
        client.post(f"/job-runs/{printing}/cancel").raise_for_status()
    expect(state).not_to_contain_text("following")
    world.ended(printing)


def test_screens_that_could_not_be_loaded_are_as_soon_as_the_service_is_back(
    stranger: Screen, world: World
) -> None:
    stranger.is_outage_expected = True
    page = stranger.page
    others = held_back(page, "**/screens.js")
    with page.expect_request("**/screens.js"):
        stranger.open()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    failed = page.get_by_role("alert")
    with _outage(world):
        others.pop().abort()
        page.unroute("**/screens.js")
        _link(page, "Workers").click()
        expect(failed).to_contain_text("That did not work")
        expect(page.get_by_role("button", name="Try again")).to_be_visible()
    expect(page.get_by_role("heading", name="Workers")).to_be_visible()
    expect(failed).to_have_count(0)


def test_screens_that_cannot_be_loaded_are_not_loaded_over_and_over(stranger: Screen) -> None:
    stranger.is_outage_expected = True
    page = stranger.page
    tries: list[str] = []
    page.on("request", lambda request: tries.append(request.url))
    page.route("**/screens.js", lambda route: route.abort())
    page.goto(f"{stranger.url}/?view=workers")
    failed = page.get_by_role("alert")
    expect(failed).to_contain_text("this part of the dashboard could not be loaded")
    expect(page.locator(".connection")).to_have_text("Live")
    assert sum(url.endswith("/screens.js") for url in tries) == len(("at first", "once more"))
    page.unroute("**/screens.js")
    failed.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Workers")).to_be_visible()


def test_a_page_of_an_older_build_is_loaded_anew(stranger: Screen) -> None:
    stranger.is_outage_expected = True
    older = re.compile(r"(?<=/dashboard/)\w+")
    stranger.page.route(
        "**/screens.js",
        lambda route: route.continue_(url=older.sub("0123456789abcdef", route.request.url)),
        times=1,
    )
    stranger.open("?view=workers")
    expect(stranger.page.get_by_role("heading", name="Workers")).to_be_visible()
