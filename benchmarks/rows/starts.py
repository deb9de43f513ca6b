"""From an idle service's launch to the first line of its handler; ours, the peers', and the least.

    python -m benchmarks.rows.starts [--quick] [--rounds N] [--json FILE]

The clock starts when the request is sent over HTTP, on a connection that is open, and stops in the
handler's process; one run at a time, each after the one before has ended. The least that it takes:
one session commits a row and notifies another, which commits a change of it.
"""

import http.client
import json
import random
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from typing import Self
from urllib.parse import urlsplit

import psycopg

from benchmarks.harness.alone import run_alone
from benchmarks.harness.processes import BrokenError
from benchmarks.harness.results import Bench, Reference, Row, in_turns
from benchmarks.harness.systems import OURS, PATH, System, installed_peers, register, site
from domain.jobs.definition import JobSpec

SLUG = "started"

JOB = JobSpec(name=SLUG, type="batch", entry_point="bench.started")

ENDED = "SELECT result FROM job_runs WHERE id = %s AND status = 'succeeded'"

COMMITS = "two commits and a NOTIFY"

MAX_COMMITS = 2.0

PEERS = 0.9
"""Of each, and so of the faster one."""

DEADLINE_S = 10.0

Start = Callable[[float], int]
"""Launches, waits so many seconds at most, and returns when the handler started."""


def measure(bench: Bench) -> list[Row]:
    """Measure all in turns."""
    peers = installed_peers(bench)
    figures = in_turns(
        bench,
        {
            COMMITS: partial(commits_ms, bench),
            OURS.label: partial(_over_http_ms, bench),
            **{peer.label: partial(_peer_ms, bench, peer) for peer in peers},
        },
    )
    least = Reference(COMMITS, figures[COMMITS], MAX_COMMITS)
    others = [Reference(peer.label, figures[peer.label], PEERS) for peer in peers]
    row = Row(
        name="starts",
        title="idle launch → handler starts, median",
        unit="ms",
        rounds=figures[OURS.label],
        references=[least, *others],
        lower_is_better=True,
    )
    return [row]


def _samples(bench: Bench) -> int:
    return max(3, bench.effort.samples // bench.effort.rounds)


def commits_ms(bench: Bench) -> float:
    """Return how long two commits and a notification take, the median of some."""
    took = []
    with (
        psycopg.connect(bench.server, autocommit=True) as one,
        psycopg.connect(bench.server, autocommit=True) as other,
    ):
        one.execute("DROP TABLE IF EXISTS started")
        one.execute("CREATE TABLE started (id integer PRIMARY KEY, at timestamptz)")
        other.execute("LISTEN launched")
        for number in range(_samples(bench)):
            pause()
            began = time.perf_counter()
            # Without parameters both are one transaction, sent at once.
            one.execute(f"INSERT INTO started VALUES ({number}); NOTIFY launched".encode())
            _hear(other)
            other.execute("UPDATE started SET at = now() WHERE id = %s", (number,))
            took.append((time.perf_counter() - began) * 1_000)
    return median(took)


def pause() -> None:
    """Let all become idle, for no time that anything could fall in step with."""
    time.sleep(random.uniform(0.005, 0.02))


def _hear(connection: psycopg.Connection) -> None:
    if not list(connection.notifies(timeout=DEADLINE_S, stop_after=1)):
        raise BrokenError("a notification did not come")


def _over_http_ms(bench: Bench) -> float:
    with (
        site(bench, OURS) as own,
        own.api() as url,
        own.worker(),
        psycopg.connect(own.url, autocommit=True) as connection,
    ):
        register(url.removesuffix(PATH), SLUG, JOB)
        with Poster(url) as poster:

            def start(timeout_s: float) -> int:
                return started_ns(connection, poster.launch(), timeout_s)

            return _median_ms(bench, start, poster.connect)


def _peer_ms(bench: Bench, peer: System) -> float:
    with site(bench, peer) as own, own.api() as url, own.worker(), Poster(url) as poster:
        number = count(1)

        def start(timeout_s: float) -> int:
            poster.launch()
            return _last_start_ns(own.starts_file, next(number), timeout_s)

        return _median_ms(bench, start, poster.connect)


class Poster:
    """Launches over HTTP, on a connection that is open."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(str(urlsplit(url).netloc), timeout=DEADLINE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def connect(self) -> None:
        """Open it: the server has closed it by itself where the run before took seconds."""
        self._connection.close()
        self._connection.connect()

    def launch(self) -> str:
        """Launch a run; return its id."""
        head = {"Content-Type": "application/json"}
        self._connection.request("POST", f"/jobs/{SLUG}/run", b"{}", head)
        answer = json.loads(self._connection.getresponse().read())
        return str(answer["data"]["id"])


def _median_ms(bench: Bench, start: Start, prepare: Callable[[], None]) -> float:
    # The first waits for the worker to come up.
    prepare()
    start(3 * DEADLINE_S)
    took = []
    for _ in range(_samples(bench)):
        prepare()
        pause()
        began = time.monotonic_ns()
        started = start(DEADLINE_S)
        took.append((started - began) / 1e6)
    return median(took)


def _last_start_ns(file: Path, number: int, timeout_s: float) -> int:
    """Wait until so many tasks have written when they started; return the last time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        time.sleep(0.01)
        times = file.read_text().split() if file.exists() else []
        if len(times) >= number:
            return int(times[-1])
    raise BrokenError(f"task {number} did not start in {timeout_s:.0f} s")


def started_ns(
    connection: psycopg.Connection, run_id: str, timeout_s: float = 3 * DEADLINE_S
) -> int:
    """Wait for the run's end; return when its handler started."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        time.sleep(0.01)
        row = connection.execute(ENDED, (run_id,)).fetchone()
        if row is not None:
            return int(row[0])
    raise BrokenError(f"run {run_id} did not succeed in {timeout_s:.0f} s")


if __name__ == "__main__":
    run_alone(measure, __doc__)
