"""Every screen: shown without complaint, for everybody, on any width."""

from collections.abc import Callable
from importlib.resources import files
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.dashboard.conftest import NARROW, WIDE, Screen, Views
from tests.support.slow import slow

Scheme = Literal["light", "dark"]


def _settled(screen: Screen, query: str) -> None:
    screen.open(query)
    screen.page.locator(".loading").first.wait_for(state="detached")


AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
"""The script that looks for what some people could not use."""

SCHEMES: tuple[Scheme, ...] = ("light", "dark")

OF_COLOURS = ["color-contrast", "link-in-text-block"]
"""The script's rules that depend on the scheme."""

PARTS = 4
"""So many tests share the screens, for none to take long."""


@pytest.mark.parametrize("part", [0, *map(slow, range(1, PARTS))])
def test_everybody_can_use_every_screen_at_any_width(
    screen: Screen, views: Views, part: int
) -> None:
    page = screen.page
    barred: list[str] = []
    too_wide: dict[str, int] = {}
    for name, query in [*views.items()][part::PARTS]:
        _settled(screen, query)
        page.evaluate(AXE)
        for scheme in SCHEMES:
            barred += [f"{name}, {scheme}: {what}" for what in _barred(page, scheme)]
            screen.picture(name, scheme)
        page.set_viewport_size(NARROW)
        screen.picture(name, "narrow")
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if over > 0:
            too_wide[name] = over
        page.set_viewport_size(WIDE)
    assert barred == []
    assert too_wide == {}


def _barred(page: Page, scheme: Scheme) -> list[str]:
    """Return what some people cannot use; in a second scheme, because of its colours."""
    page.emulate_media(color_scheme=scheme)
    options: dict[str, object] = {"resultTypes": ["violations"]}
    if scheme != SCHEMES[0]:
        options["runOnly"] = {"type": "rule", "values": OF_COLOURS}
    result = page.evaluate("options => axe.run(options)", options)
    return [
        f"{violation['id']}: {violation['nodes'][0]['html']}" for violation in result["violations"]
    ]


DIALOGUES: dict[str, tuple[str, Callable[[Page], None]]] = {
    "palette": ("", lambda page: page.keyboard.press("Control+k")),
    "preferences": ("", lambda page: page.keyboard.press("?")),
    "past": ("", lambda page: page.get_by_role("button", name="Look at the past").click()),
    "time range": ("", lambda page: page.locator(".trends summary").click()),
    "views": ("?view=runs", lambda page: page.get_by_text("Saved views").click()),
    "bulk": ("?view=runs", lambda page: page.get_by_role("button", name="Retry …").click()),
    "drain": ("?view=workers", lambda page: page.get_by_role("button", name="Drain …").click()),
    "rerun": ("run", lambda page: page.get_by_role("button", name="Edit and rerun …").click()),
}
"""What opens above a screen: where, and how."""


def test_everybody_can_use_what_opens_above_a_screen(screen: Screen, views: Views) -> None:
    page = screen.page
    barred: list[str] = []
    for name, (query, open_it) in DIALOGUES.items():
        _settled(screen, views.get(query, query))
        open_it(page)
        page.locator("dialog[open], .past, details.menu[open]").first.wait_for()
        page.evaluate(AXE)
        for scheme in SCHEMES:
            barred += [f"{name}, {scheme}: {what}" for what in _barred(page, scheme)]
    assert barred == []


def test_an_unknown_page_says_so(screen: Screen) -> None:
    screen.page.goto(f"{screen.url}/?view=nothing")
    screen.page.get_by_text("There is no such page").wait_for()


def test_what_is_not_there_is_said_with_its_code_and_where_else_to_look(screen: Screen) -> None:
    screen.is_outage_expected = True  # Browsers complain of every 404.
    page = screen.page
    nobody = "00000000-0000-0000-0000-000000000000"
    page.goto(f"{screen.url}/?view=run&id={nobody}")
    page.get_by_text("404 · run_not_found").wait_for()
    page.get_by_role("link", name="Runs with “00000000-0000”").click()
    expect(page.get_by_text("No run matches the filter")).to_be_visible()
    for query in ("view=run", "view=run&id=../jobs", "view=job&id=scan-secrets/runs"):
        page.goto(f"{screen.url}/?{query}")
        page.get_by_text("404 · not_found").wait_for()
    page.goto(f"{screen.url}/?view=schedule&id=gone")
    expect(page.get_by_role("link", name="Runs of gone")).to_be_visible()
    page.get_by_role("link", name="All schedules").click()
    expect(page.get_by_role("heading", name="Schedules", exact=True)).to_be_visible()


def test_workers_tell_their_slots_and_those_that_share_processes(screen: Screen) -> None:
    _settled(screen, "?view=workers")
    alive = screen.page.get_by_role("row").filter(has_text="alive")
    expect(alive.filter(has_text="0 of 200 shared slots busy")).to_have_count(1)
