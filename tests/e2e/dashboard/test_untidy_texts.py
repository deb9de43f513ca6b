"""Texts that others wrote: long words and turned directions stay within themselves."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import BrowserContext, ViewportSize

from tests.e2e.dashboard.conftest import NARROW, WIDE, Screen, opened
from tests.e2e.dashboard.service import jobs_of_apphub
from tests.e2e.dashboard.service.seeding import launch
from tests.e2e.dashboard.service.world import World
from tests.support import databases
from tests.support.ports import free_port
from tests.support.processes import wait_for_run

TURNED = "\u202egnp.exe \u0645\u0631\u062d\u0628\u0627"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
SLUG = "s" * 100
UNTIDY = (f"private-{TURNED} {FAMILY}", "private-" + "w" * 9_000, "vanished")

WIDEST: ViewportSize = {"width": 2560, "height": 1200}

TOO_WIDE = "document.documentElement.scrollWidth - innerWidth"

TURNING = """() => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const turning = [];
    while (texts.nextNode()) {
        const parent = texts.currentNode.parentElement;
        if (!/[\\u202a-\\u202e\\u2066-\\u2069]/.test(texts.currentNode.data)) continue;
        if (!/isolate/.test(getComputedStyle(parent).unicodeBidi)) turning.push(parent.outerHTML);
    }
    return turning;
}"""
"""Elements whose texts turn the direction of what follows them."""


@pytest.fixture(scope="module")
def untidy(
    database_server: str, shared_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Run a service in which nothing has a short, plain name."""
    template = databases.template(database_server, shared_dir)
    data_dir = tmp_path_factory.mktemp("untidy") / "data"
    with databases.clone(database_server, template) as database_url:
        world = World(data_dir, database_url, free_port(), (f"e{TURNED}{'n' * 60}", "red"))
        try:
            world.start_api()
            world.start_worker()
            with world.client as client:
                _let_happen(client)
            yield world
        finally:
            world.stop()


def _let_happen(client: httpx.Client) -> None:
    for job in jobs_of_apphub.JOBS:
        client.post("/jobs", json=job.definition).raise_for_status()
    properties = {
        "p" * 120: {"type": "string", "description": "d" * 2_000},
        TURNED: {"type": "string", "enum": [TURNED, "w" * 200]},
    }
    strange = {
        "slug": SLUG,
        "name": f"{TURNED} {'n' * 150}",
        "type": "batch",
        "runtime": "node",
        "entryPoint": "node." + "z" * 180,
        "metadata": {"description": f"{TURNED} {'w' * 500}"},
        "parametersSchema": {"type": "object", "properties": properties},
    }
    client.post("/jobs", json=strange).raise_for_status()
    schedule = {
        "id": "s" * 100,
        "job": "scan-secrets",
        "cron": "0 3 * * *",
        "parameters": {"repository": UNTIDY[0]},
    }
    client.post("/schedules", json=schedule).raise_for_status()
    app = {
        "id": "untidy",
        "name": f"{TURNED} {'n' * 90}",
        "description": f"{TURNED} {'w' * 900}",
        "repoUrl": f"file:///{'r' * 300}",
        "tags": [{"key": "k" * 60, "value": "v" * 60}],
    }
    client.post("/apps", json=app).raise_for_status()
    launch(client, SLUG, **{"p" * 120: "v" * 400, TURNED: TURNED})
    runs = [launch(client, "scan-secrets", repository=name) for name in UNTIDY]
    for run in runs:
        wait_for_run(client, run)


@pytest.fixture
def strange(untidy: World, window: BrowserContext) -> Iterator[Screen]:
    """Open a page of that service."""
    with opened(window, untidy.url) as screen:
        yield screen


def test_they_are_wrapped_and_turn_nothing_else(untidy: World, strange: Screen) -> None:
    with untidy.client as client:
        listed = client.get("/job-runs", params={"job": "scan-secrets"}).json()["data"]
        [waiting] = client.get("/job-runs", params={"job": SLUG}).json()["data"]
    run, long_run = (f"?view=run&id={one['run']['id']}" for one in reversed(listed[-2:]))
    screens = (
        *("", "?view=runs", "?view=jobs", "?view=failures", "?view=schedules", "?view=log"),
        *(run, long_run, f"?view=run&id={waiting['run']['id']}"),
        *(f"{run}&tab={tab}" for tab in ("log", "events", "causes", "data")),
        f"{long_run}&tab=data",
        *(f"?view=job&id={SLUG}&tab={tab}" for tab in ("launch", "definition", "versions")),
        *(f"?view=schedule&id={'s' * 100}", "?view=apps", "?view=app&id=untidy"),
        *(f"?view=runs&job={SLUG}&error={TURNED}", f"?view=failures&job={SLUG}"),
    )
    wrong: list[str] = []
    page = strange.page
    for query in screens:
        strange.open(query)
        page.locator(".loading").first.wait_for(state="detached")
        for size in (NARROW, WIDE, WIDEST):
            page.set_viewport_size(size)
            over = page.evaluate(TOO_WIDE)
            if over > 0:
                wrong.append(f"{query} is {over} px too wide at {size['width']}")
        wrong += [f"{query} is turned by {element[:200]}" for element in page.evaluate(TURNING)]
        page.set_viewport_size(WIDE)
    assert wrong == [], "\n".join(wrong)
