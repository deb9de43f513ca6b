"""One service with a worker and a browser for all tests of the dashboard."""

import os
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Route,
    ViewportSize,
    expect,
    sync_playwright,
)

from tests import ROOT
from tests.e2e.dashboard.service.seeding import seed, seed_for_pictures
from tests.e2e.dashboard.service.world import World
from tests.support import databases
from tests.support.ports import free_port
from tests.support.sample_logs import promises

PATIENCE_MS = 60_000
"""How long a page may take to show something, on a machine that has much else to do."""

BROWSER_OPTIONS = (
    "--no-sandbox",  # Root's sandbox needs what containers do not give.
    # A window's pages share a process: starting one for each takes as long as showing most pages.
    "--renderer-process-limit=1",
    "--disable-site-isolation-trials",
    "--disable-features=SpareRendererForSitePerProcess",
)

WIDE: ViewportSize = {"width": 1280, "height": 900}
NARROW: ViewportSize = {"width": 320, "height": 640}

PICTURES = os.environ.get("APPHUB_PICTURES")
"""A directory for pictures of all screens, where somebody wants to look at them."""

SHOWN = (
    "overview",
    "runs",
    "past",
    "run",
    "log",
    "jobs",
    "launch",
    "failures",
    "schedule",
    "workers",
    "events of the log",
    "ready app",
)
"""The pictures that the documentation shows."""


Views = dict[str, str]
"""Screens by name, with their addresses."""


@pytest.fixture(scope="package")
def world(
    database_server: str, shared_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Run a service in which a few things have happened already."""
    _check_build(shared_dir / "dashboard.checked")
    template = databases.template(database_server, shared_dir)
    data_dir = tmp_path_factory.mktemp("dashboard") / "data"
    with databases.clone(database_server, template) as database_url:
        world = World(data_dir, database_url, free_port())
        try:
            world.start_api()
            world.start_worker()
            with world.client as client:
                world.retried_run = seed(client)
                if PICTURES is not None:
                    seed_for_pictures(client)
            yield world
        finally:
            world.stop()
        promises.kept(database_url, archive=data_dir / "archive")


def _check_build(checked: Path) -> None:
    """Fail if the sources have changed and are not built, where that can be known.

    Args:
        checked: a file for the other workers of pytest: one check is enough.
    """
    node = shutil.which("node")
    if node and (ROOT / "node_modules").exists() and not checked.exists():
        command = [node, "api/dashboard/build.mjs", "--check"]
        built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert built.returncode == 0, built.stderr
        checked.touch()


@pytest.fixture(scope="package")
def browser(world: World) -> Iterator[Browser]:
    """Run Debian's Chromium.

    Playwright has a loop in this thread: what has one of its own comes before and after.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        message = "chromium is not installed (Debian: apt-get install chromium)"
        if os.environ.get("APPHUB_TEST_BROWSER") == "required":
            pytest.fail(message)
        pytest.skip(message)
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=BROWSER_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def window(world: World, browser: Browser) -> Iterator[BrowserContext]:
    """Keep what the dashboard consists of: only the first page loads it."""
    context = browser.new_context(viewport=WIDE, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    # The process of the pages ends with the last of them.
    context.new_page().goto(f"{world.url}/health")
    yield context
    context.close()


@dataclass
class Screen:
    """The dashboard in a browser; whatever the browser complains of is kept."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    is_outage_expected: bool = False

    def listen(self) -> None:
        """Note what goes wrong in the page, and what it requests from elsewhere."""
        self.page.on("request", self._look)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def _look(self, request: Request) -> None:
        if not request.url.startswith((f"{self.url}/", "data:", "blob:")):
            self.complaints.append(f"requests {request.url}")

    def open(self, query: str = "") -> None:
        """Open an address and wait until its screen is there."""
        self.page.goto(f"{self.url}/{query}")
        self.page.locator(".screen h1, .screen h2").first.wait_for()

    def go(self, name: str) -> None:
        """Go somewhere by its name, without a mouse, once the page offers it."""
        self.page.keyboard.press("Control+k")
        expect(self.page.get_by_role("dialog").get_by_role("combobox")).to_be_focused()
        self.page.keyboard.type(name)
        option = self.page.get_by_role("option", selected=True)
        expect(option).to_contain_text(name, ignore_case=True)
        self.page.keyboard.press("Enter")

    def picture(self, name: str, kind: str) -> None:
        """Keep what is seen, where that is wanted."""
        if PICTURES is None:
            return
        folder = Path(PICTURES) / (kind if name in SHOWN else f"other-{kind}")
        folder.mkdir(parents=True, exist_ok=True)
        session = self.page.context.new_cdp_session(self.page)
        options = {"format": "webp", "quality": 70}
        taken = session.send("Page.captureScreenshot", options)
        session.detach()
        path = folder / f"{name.replace(' ', '-')}.webp"
        path.write_bytes(b64decode(taken["data"]))


def held_back(page: Page, address: str) -> list[Route]:
    """Hold requests back from now on; return where they gather, to be continued or aborted."""
    routes: list[Route] = []

    def hold(route: Route) -> None:
        routes.append(route)

    page.route(address, hold)
    return routes


@contextmanager
def opened(window: BrowserContext, url: str) -> Iterator[Screen]:
    """Open a page of a service; at its end nothing may have gone wrong in it."""
    page = window.new_page()
    screen = Screen(page, url)
    screen.listen()
    yield screen
    page.close()
    if not screen.is_outage_expected:
        assert screen.complaints == []


@pytest.fixture
def screen(world: World, window: BrowserContext) -> Iterator[Screen]:
    """Open a page of the world."""
    with opened(window, world.url) as screen:
        yield screen


@pytest.fixture
def stranger(world: World, browser: Browser) -> Iterator[Screen]:
    """Open a page of the world in a browser that has kept nothing of it yet."""
    context = browser.new_context(viewport=WIDE, reduced_motion="reduce")
    with opened(context, world.url) as screen:
        yield screen
    context.close()


@pytest.fixture(scope="package")
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
        "revise": "?view=job&id=scan-secrets&tab=revise",
        "schedules": "?view=schedules",
        "new schedule": "?view=schedules&tab=new",
        "schedule": f"?view=schedule&id={'secrets-of-docs' if PICTURES else 'nightly'}",
        "workers": "?view=workers",
        "events of the log": "?view=log",
        "apps": "?view=apps",
        "app": "?view=app&id=web",
        **({"ready app": "?view=app&id=storefront"} if PICTURES else {}),
    }
