"""How soon the dashboard's list of runs is there with a million runs, and how busy a browser is.

    python -m benchmarks.dashboard [--runs 1000000] [--seconds 60] [--rate 200]

A database is filled with a population of runs and served as users serve it. Debian's Chromium opens
the list five times: its first paint and its first row, by its own clock, are told as medians; then
the API is asked as its filters ask. Then runs are launched at a rate, an event each, while the
overview is open, and then the list: told is how much of the time the main thread was busy, and
what its heap came to.
"""

import argparse
import asyncio
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, sleep, time
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import psycopg
from playwright.sync_api import CDPSession, Page, sync_playwright

from benchmarks.growth.__main__ import prepare, server
from benchmarks.growth.population import Population, fill
from domain.commands.failures import STEP
from eventlog.database.sql import HEAD
from tests.support import databases
from tests.support.processes import eventually, started

TIMES = 5

LIST = "?view=runs"

FILTERS: tuple[dict[str, str], ...] = (
    {},
    {"status": "failed"},
    {"status!": "succeeded"},
    {"status": "failed", "createdAfter": "2020-01-01T00:00:00Z"},
)

ROW = ".table tbody tr"

FIRST_ROW_AT = f"""() => new Promise((resolve) => {{
  const look = () =>
    document.querySelector("{ROW}") ? resolve(performance.now()) : requestAnimationFrame(look);
  look();
}})"""

FIRST_PAINT_AT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"

LAUNCHERS = 4
"""Clients that launch, one run after the other each."""

HEAPS = 6
"""So often the heap is looked at while runs are launched."""


@dataclass(frozen=True)
class Load:
    """How many runs are launched a second, an event each, and for how long."""

    rate: float
    seconds: int


JOB = {"slug": "measured", "name": "Measured", "type": "batch", "entryPoint": "nobody"}


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rate", type=int, default=200)
    arguments = parser.parse_args()
    with _served(arguments.runs) as url, _page() as page:
        _measure_list(page, url)
        _measure_filters(url)
        for screen in ("", LIST):
            _measure_load(page, url, screen, Load(arguments.rate, arguments.seconds))


@contextmanager
def _served(runs: int) -> Iterator[str]:
    with server() as where, databases.clone(*where) as database_url:
        fill(database_url, Population(runs, int(time() * 1_000) - 60_000), _say)
        asyncio.run(prepare(database_url))
        with TemporaryDirectory() as name:
            options = ("--port", "0", "--data-dir", str(Path(name) / "data"))
            with started("serve", *options, APPHUB_DATABASE_URL=database_url) as api:
                _wait_until_read(database_url)
                yield api.url()


_IS_READ = """
    SELECT (SELECT position FROM run_statistics_progress) >= %(head)s
        AND coalesce((SELECT searched_until FROM failure_watches), 0) > %(head)s - %(step)s
        AND (SELECT max(position) FROM log_seals) >= %(head)s
"""
"""Whether the service has counted and sealed up to a position. Where it finds no failures, it does
not record the last step of its search."""


def _wait_until_read(database_url: str) -> None:
    """Wait until the service has caught up with the log that the benchmark wrote."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        [head] = connection.execute(HEAD).fetchone() or (0,)
        values = {"head": head, "step": STEP}

        def is_read() -> bool:
            return connection.execute(_IS_READ, values).fetchone() == (True,)

        eventually(is_read, 600, "the service has read the log", longest_pause_s=1.0)


@contextmanager
def _page() -> Iterator[Page]:
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("chromium is not installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


def _measure_list(page: Page, url: str) -> None:
    paints: list[float] = []
    rows: list[float] = []
    for _ in range(TIMES):
        page.goto(f"{url}/{LIST}")
        rows.append(page.evaluate(FIRST_ROW_AT))
        paints.append(page.evaluate(FIRST_PAINT_AT))
    _say(f"first paint: {median(paints):.0f} ms, first row: {median(rows):.0f} ms")


def _measure_filters(url: str) -> None:
    with httpx.Client(base_url=url, timeout=60) as client:
        for words in FILTERS:
            query = urlencode({**words, "limit": 50})
            took: list[float] = []
            for _ in range(TIMES):
                began = perf_counter()
                client.get(f"/job-runs?{query}").raise_for_status()
                took.append((perf_counter() - began) * 1_000)
            _say(f"GET /job-runs?{query}: {median(took):.0f} ms")


def _measure_load(page: Page, url: str, screen: str, load: Load) -> None:
    page.goto(f"{url}/{screen}")
    page.get_by_text("Live").wait_for()
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    before = _metrics(session)
    heaps = [before["JSHeapUsedSize"]]
    part = Load(load.rate / LAUNCHERS, load.seconds)
    with ThreadPoolExecutor(LAUNCHERS) as pool:
        launching = [pool.submit(_launch, url, part) for _ in range(LAUNCHERS)]
        for _ in range(HEAPS):
            page.wait_for_timeout(load.seconds * 1_000 / HEAPS)
            heaps.append(_metrics(session)["JSHeapUsedSize"])
        after = _metrics(session)
        rate = sum(one.result() for one in launching)
    passed = after["Timestamp"] - before["Timestamp"]
    busy = (after["TaskDuration"] - before["TaskDuration"]) / passed
    sizes = ", ".join(f"{heap / 1e6:.1f}" for heap in heaps)
    what = screen or "the overview"
    _say(f"{what}, {rate:.0f} launches/s for {passed:.0f} s: main thread {busy:.0%} busy")
    _say(f"{what}, heap after collections: {sizes} MB")
    session.detach()


def _metrics(session: CDPSession) -> dict[str, float]:
    session.send("HeapProfiler.collectGarbage")
    answer: dict[str, Any] = session.send("Performance.getMetrics")
    return {metric["name"]: metric["value"] for metric in answer["metrics"]}


def _launch(url: str, load: Load) -> float:
    """Launch one run after the other; return how many there were a second."""
    connection = HTTPConnection(str(urlsplit(url).netloc), timeout=60)
    head = {"Content-Type": "application/json"}

    def post(path: str, body: object) -> int:
        connection.request("POST", path, json.dumps(body).encode(), head)
        answer = connection.getresponse()
        answer.read()
        return answer.status

    post("/jobs", JOB)  # It may be there from the screen before.
    began = perf_counter()
    number = 0
    while perf_counter() < began + load.seconds:
        if post(f"/jobs/{JOB['slug']}/run", {}) != HTTPStatus.ACCEPTED:
            raise SystemExit("a launch was not accepted")
        number += 1
        sleep(max(began + number / load.rate - perf_counter(), 0))
    connection.close()
    return number / (perf_counter() - began)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
