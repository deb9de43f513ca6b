"""What a run prints: as a terminal shows it, followed until somebody scrolls, however long."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.dashboard.conftest import NARROW, WIDE, Screen
from tests.e2e.dashboard.service.jobs_of_apphub import index_words
from tests.e2e.dashboard.service.world import World

MANY = 100_000

FIRST_LINES = """() => {
    const box = document.querySelector(".log-box").getBoundingClientRect();
    const lines = [...document.querySelectorAll(".line[data-number]")];
    return lines.filter((line) => line.getBoundingClientRect().top >= box.top).slice(0, 2)
        .map((line) => Number(line.dataset.number));
}"""

IS_AT_END = """() => {
    const box = document.querySelector(".log-box");
    const newest = [...box.querySelectorAll(".line")].at(-1).getBoundingClientRect();
    return newest.bottom <= box.getBoundingClientRect().bottom + 10;
}"""

NOTE_LONG_TASKS = """
    window.longTasks = [];
    const note = (list) => longTasks.push(...list.getEntries().map(({duration}) => duration));
    new PerformanceObserver(note).observe({type: "longtask", buffered: true});
"""


@pytest.fixture(scope="module")
def printed(world: World) -> str:
    """Return a run that has printed a hundred thousand lines and a few."""
    return world.once("printed", lambda: _print_many_lines(world))


def _print_many_lines(world: World) -> str:
    with world.client as client:
        client.post("/jobs", json=index_words.definition).raise_for_status()
    run_id = world.launch("index-words", lines=MANY)
    assert world.ended(run_id)["status"] == "succeeded"
    return run_id


@pytest.fixture
def printing(world: World) -> Iterator[str]:
    """Give a run that prints until the test is over."""
    run_id = world.launch("nightly-statistics", until_canceled=True)
    yield run_id
    with world.client as client:
        client.post(f"/job-runs/{run_id}/cancel").raise_for_status()
    world.ended(run_id)


def test_a_log_looks_as_on_a_terminal(screen: Screen, printed: str) -> None:
    page = screen.page
    screen.open(f"?view=run&id={printed}&tab=log")
    log = page.get_by_role("log")
    coloured = log.locator(".line", has_text="all is indexed")
    expect(coloured.locator(".ansi-2.ansi-bold")).to_have_text("indexed")
    expect(log.locator(".line-text", has_text="100 %")).to_have_text(re.compile(r"Z 100 %$"))
    long = log.locator(".line", has_text="a long line")
    expect(long).to_have_css("height", "20px")
    page.get_by_label("Wrap lines").check()
    expect(long).to_have_css("height", re.compile(r"^([6-9]|1\d)0px$|^1[02468]0px$"))
    assert log.evaluate("box => box.scrollWidth <= box.clientWidth")
    expect(long).to_be_in_viewport()
    page.reload()
    expect(page.get_by_label("Wrap lines")).to_be_checked()
    page.get_by_label("Wrap lines").uncheck()
    expect(long).to_have_css("height", "20px")


def test_what_was_printed_on_stderr_is_marked_and_shown_alone(screen: Screen, world: World) -> None:
    page = screen.page
    run_id = world.launch("scan-secrets", repository="vanished")
    world.ended(run_id)
    screen.open(f"?view=run&id={run_id}&tab=log")
    lines = page.get_by_role("log").locator(".line[data-number]")
    printed = lines.filter(has_text="scanning vanished")
    expect(printed).to_be_visible()
    expect(printed.get_by_role("img", name="stderr")).to_have_count(0)
    expect(lines.filter(has=page.get_by_role("img", name="stderr"))).not_to_have_count(0)
    page.get_by_label("Only stderr").check()
    expect(printed).to_have_count(0)
    expect(lines.first).to_contain_text("Traceback")
    expect(lines.first.locator(".line-number")).to_have_text("2")
    page.get_by_label("Search in the log").fill("vanished")
    expect(page.get_by_role("search").get_by_role("status")).not_to_have_text("0 found")
    page.get_by_label("Only stderr").uncheck()
    expect(printed).to_be_visible()


def test_a_line_has_an_address(screen: Screen, printed: str) -> None:
    page = screen.page
    screen.open(f"?view=run&id={printed}&tab=log&line=70000")
    linked = page.get_by_role("log").locator(".is-linked")
    expect(linked).to_contain_text("word 70000 of")
    expect(linked).to_be_in_viewport()
    expect(page.get_by_role("button", name="Jump to the latest")).to_be_enabled()
    page.locator("a.line-number", has_text="70003").click()
    expect(linked).to_contain_text("word 70003 of")
    assert "line=70003" in page.url
    page.go_back()
    expect(linked).to_contain_text("word 70000 of")


def test_a_search_goes_both_ways(screen: Screen, printed: str) -> None:
    page = screen.page
    screen.open(f"?view=run&id={printed}&tab=log")
    search = page.get_by_label("Search in the log")
    hits = page.get_by_role("search").get_by_role("status")
    current = page.get_by_role("log").locator(".is-current")
    search.fill("WORD 9999")
    expect(hits).to_have_text("11 found")
    search.press("Shift+Enter")
    expect(hits).to_have_text("11 of 11")
    expect(current).to_contain_text("word 99999 of")
    search.press("Enter")
    expect(hits).to_have_text("1 of 11")
    expect(current).to_contain_text("word 9999 of")
    expect(current.locator("mark")).to_have_text("word 9999")
    expect(current).to_be_in_viewport()
    page.get_by_label("Wrap lines").check()  # It stays where it can be seen.
    page.set_viewport_size({"width": NARROW["width"], "height": 2_000})  # All of the page.
    expect(current).to_be_in_viewport()
    page.set_viewport_size(WIDE)
    page.get_by_label("Wrap lines").uncheck()
    expect(current).to_be_in_viewport()
    page.get_by_role("button", name="Previous hit").click()
    page.get_by_role("button", name="Next hit").click()
    expect(hits).to_have_text("1 of 11")
    search.fill("no such word")
    expect(hits).to_have_text("0 found")


def test_only_who_scrolls_ends_following(screen: Screen, printing: str) -> None:
    page = screen.page
    screen.open(f"?view=run&id={printing}&tab=log")
    log = page.get_by_role("log")
    state = page.get_by_role("search")
    expect(log).to_contain_text("row 60")  # More than can be seen.
    page.get_by_label("Wrap lines").check()
    page.set_viewport_size(NARROW)
    _sees_the_newest(page)
    page.set_viewport_size(WIDE)
    page.get_by_label("Wrap lines").uncheck()
    page.get_by_label("Search in the log").fill("row")
    _sees_the_newest(page)
    expect(state).to_contain_text("· following")
    log.evaluate("box => box.scrollBy(0, -300)")  # As by a scroll bar.
    expect(state).to_contain_text("· more below")
    first = page.evaluate(FIRST_LINES)
    _wait_for_lines(state, _count(state) + 100)
    assert page.evaluate(FIRST_LINES) == first
    page.get_by_role("button", name="Jump to the latest").click()
    expect(state).to_contain_text("· following")
    _sees_the_newest(page)
    log.hover()
    page.mouse.wheel(0, -300)
    expect(state).to_contain_text("· more below")
    page.mouse.wheel(0, 100_000)
    expect(state).to_contain_text("· following")


def _sees_the_newest(page: Page) -> None:
    """Wait until more has been printed, and the end of it can be seen."""
    state = page.get_by_role("search")
    _wait_for_lines(state, _count(state) + 50)
    expect(state).to_contain_text("· following")
    page.wait_for_function(IS_AT_END)


def _count(state: Locator) -> int:
    match = re.search(r"([\d\s]+) lines", state.inner_text())
    assert match is not None
    return int(re.sub(r"\D", "", match[1]))


def _wait_for_lines(state: Locator, count: int) -> None:
    while _count(state) < count:
        state.page.wait_for_timeout(100)


def test_a_hundred_thousand_lines_are_read_without_a_stall(screen: Screen, printed: str) -> None:
    """What is measured is printed, and held against nothing: the machine has other things to do."""
    page = screen.page
    page.add_init_script(NOTE_LONG_TASKS)
    screen.open(f"?view=run&id={printed}&tab=log")
    log = page.get_by_role("log")
    expect(log).to_contain_text("all is indexed")
    tasks = {"load": _long_tasks(page)}
    page.get_by_label("Search in the log").type("99 of 100")
    expect(page.get_by_role("status").filter(has_text="found")).not_to_have_text("0 found")
    tasks["search"] = _long_tasks(page)
    page.get_by_label("Wrap lines").check()
    expect(log.locator(".line", has_text="a long line")).to_be_in_viewport()
    tasks["wrap"] = _long_tasks(page)
    log.evaluate("box => box.scrollTo(0, box.scrollHeight / 2)")
    expect(log.get_by_text(re.compile("word 500.. of"))).not_to_have_count(0)
    tasks["scroll"] = _long_tasks(page)
    page.get_by_label("Wrap lines").uncheck()
    drawn = log.locator(".line").count()
    print(f"long tasks (ms): {tasks}; lines drawn: {drawn}")
    assert drawn < 200


def _long_tasks(page: Page) -> list[float]:
    durations_ms: list[float] = page.evaluate("longTasks.splice(0)")
    return durations_ms
