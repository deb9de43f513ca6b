"""Every screen: shown without complaint, for everybody, on any width."""

from importlib.resources import files
from typing import Literal

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.e2e.dashboard.conftest import PICTURES, Screen, World

Views = dict[str, str]

Scheme = Literal["light", "dark"]


@pytest.fixture(scope="module")
def views(world: World) -> Views:
    """Return the address of each screen."""
    with world.client as client:
        query = "?job=render-previews&parameters.app=docs"
        other = client.get(f"/job-runs{query}").json()["data"][0]["run"]["id"]
        body = {"id": "nightly", "job": "nightly-statistics", "cron": "0 3 * * *"}
        client.post("/schedules", json=body).raise_for_status()
        app = {
            "id": "web",
            "name": "Web",
            "description": "What visitors see",
            "repoUrl": "file:///srv/git/moved-away",
            "tags": [{"key": "framework", "value": "nextjs"}],
        }
        client.post("/apps", json=app).raise_for_status()
        head = client.get("/job-runs/counts").json()["meta"]["position"]
        moment = head // 3
    run = f"?view=run&id={world.retried_run}"
    return {
        "overview": "",
        "runs": "?view=runs",
        "filtered": "?view=runs&status!=pending&job=scan-secrets",
        "past": f"?view=runs&asOf={moment}",
        "run": run,
        "causes": f"{run}&tab=causes",
        "log": f"{run}&tab=log",
        "events": f"{run}&tab=events",
        "data": f"{run}&tab=data&compare={other}",
        "bulk": "?view=bulk",
        "jobs": "?view=jobs",
        "job": "?view=job&id=scan-secrets",
        "launch": "?view=job&id=scan-secrets&tab=launch",
        "definition": "?view=job&id=scan-secrets&tab=definition",
        "versions": "?view=job&id=scan-secrets&tab=versions",
        "failures": "?view=failures",
        "schedules": "?view=schedules",
        "schedule": f"?view=schedule&id={'secrets-of-docs' if PICTURES else 'nightly'}",
        "workers": "?view=workers",
        "events of the log": "?view=log",
        "apps": "?view=apps",
        "app": "?view=app&id=web",
        **({"ready app": "?view=app&id=storefront"} if PICTURES else {}),
    }


def _settled(screen: Screen, query: str) -> None:
    screen.open(query)
    screen.page.locator(".loading").first.wait_for(state="detached")


AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
"""The script that looks for what some people could not use."""

SCHEMES: tuple[tuple[Scheme, str], ...] = (
    ("light", "{resultTypes: ['violations']}"),
    ("dark", "{resultTypes: ['violations'], runOnly: ['color-contrast']}"),
)
"""The colours, and what is to be looked at in them: of the second, what colours can change."""

WIDE: ViewportSize = {"width": 1280, "height": 900}
NARROW: ViewportSize = {"width": 320, "height": 640}


PARTS = 4
"""So many tests share the screens, for none to take long."""


@pytest.mark.parametrize("part", range(PARTS))
def test_everybody_can_use_every_screen_at_any_width(
    screen: Screen, views: Views, part: int
) -> None:
    page = screen.page
    barred: list[str] = []
    too_wide: dict[str, int] = {}
    for name, query in [*views.items()][part::PARTS]:
        _settled(screen, query)
        page.evaluate(AXE)
        for scheme, rules in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            screen.picture(name, scheme)
            barred += [f"{name}, {scheme}: {what}" for what in _barred(page, rules)]
        page.set_viewport_size(NARROW)
        screen.picture(name, "narrow")
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if over > 0:
            too_wide[name] = over
        page.set_viewport_size(WIDE)
    assert barred == []
    assert too_wide == {}


def _barred(page: Page, rules: str) -> list[str]:
    result = page.evaluate(f"axe.run({rules})")
    return [
        f"{violation['id']}: {violation['nodes'][0]['html']}"
        for violation in result["violations"]
        if violation["impact"] in {"serious", "critical"}
    ]


def test_an_unknown_page_says_so(screen: Screen) -> None:
    screen.page.goto(f"{screen.url}/?view=nothing")
    screen.page.get_by_text("There is no such page").wait_for()


def test_what_is_not_there_is_said_with_its_code(screen: Screen) -> None:
    screen.is_outage_expected = True  # Browsers complain of every 404.
    nobody = "00000000-0000-0000-0000-000000000000"
    screen.page.goto(f"{screen.url}/?view=run&id={nobody}")
    screen.page.get_by_text("404 · run_not_found").wait_for()


def test_workers_tell_their_slots_and_those_that_share_processes(
    screen: Screen,
) -> None:
    _settled(screen, "?view=workers")
    told = screen.page.get_by_role("row").filter(has_text="0 of 200 shared slots busy")
    expect(told).to_have_count(1)
