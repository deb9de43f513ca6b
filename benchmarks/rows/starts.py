"""From an idle service's launch to the first line of its handler; against a NOTIFY there and back.

    python -m benchmarks.rows.starts [--quick] [--rounds N] [--json FILE]

The clock starts when the request is sent over HTTP, on a connection that is open, and stops in the
handler's process; one run at a time, each after the one before has ended. The reference: one
session notifies another, which notifies the first.
"""

import asyncio
import http.client
import json
import random
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from statistics import median
from urllib.parse import urlsplit

import psycopg
import uvloop

from benchmarks.harness.alone import run_alone
from benchmarks.harness.processes import BrokenError
from benchmarks.harness.results import Bench, Reference, Row, in_turns
from benchmarks.harness.systems import OURS, PATH, Site, register, site
from domain.jobs.definition import Spec
from domain.jobs.launching import Launch
from tests.support.logs import TESTER, parts

SLUG = "started"

ENTRY_POINT = "bench.started"

ENDED = "SELECT result FROM job_runs WHERE id = %s AND status = 'succeeded'"

NOTIFY = "a NOTIFY there and back"

IN_PROCESS = "without HTTP"

DEADLINE_S = 10.0

LaunchRun = Callable[[], str]


def measure(bench: Bench) -> list[Row]:
    """Measure all in turns."""
    figures = in_turns(
        bench,
        {
            NOTIFY: partial(_notify_ms, bench),
            OURS.label: partial(_over_http_ms, bench),
            IN_PROCESS: partial(_in_process_ms, bench),
        },
    )
    row = Row(
        name="starts",
        title="idle launch → handler starts, median",
        unit="ms",
        rounds=figures[OURS.label],
        references=[Reference(NOTIFY, figures[NOTIFY], goal=5.0)],
        lower_is_better=True,
        more={f"{IN_PROCESS}, ms": median(figures[IN_PROCESS])},
    )
    return [row]


def _samples(bench: Bench) -> int:
    return max(3, bench.effort.samples // bench.effort.rounds)


def _notify_ms(bench: Bench) -> float:
    took = []
    with (
        psycopg.connect(bench.server, autocommit=True) as one,
        psycopg.connect(bench.server, autocommit=True) as other,
    ):
        one.execute("LISTEN back")
        other.execute("LISTEN there")
        for _ in range(_samples(bench)):
            time.sleep(random.uniform(0.001, 0.005))
            began = time.perf_counter()
            one.execute("NOTIFY there")
            _hear(other)
            other.execute("NOTIFY back")
            _hear(one)
            took.append((time.perf_counter() - began) * 1_000)
    return median(took)


def _hear(connection: psycopg.Connection) -> None:
    if not list(connection.notifies(timeout=DEADLINE_S, stop_after=1)):
        raise BrokenError("a notification did not come")


def _over_http_ms(bench: Bench) -> float:
    with site(bench, OURS) as own, own.api() as url, own.worker():
        register(url.removesuffix(PATH), SLUG, ENTRY_POINT)
        address = str(urlsplit(url).netloc)
        with closing(
            http.client.HTTPConnection(address, timeout=DEADLINE_S)
        ) as connection:

            def launch() -> str:
                connection.request(
                    "POST",
                    f"/jobs/{SLUG}/run",
                    b"{}",
                    {"Content-Type": "application/json"},
                )
                return str(json.loads(connection.getresponse().read())["data"]["id"])

            def connect() -> None:
                # The server has closed it by itself where the run before took seconds.
                connection.close()
                connection.connect()

            return _median_ms(bench, own, launch, connect)


def _in_process_ms(bench: Bench) -> float:
    with (
        site(bench, OURS) as own,
        own.worker(),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ExitStack() as stack,
    ):
        context = parts(own.url)
        part = runner.run(context.__aenter__())
        stack.callback(lambda: runner.run(context.__aexit__(None, None, None)))
        spec = Spec(name=SLUG, type="batch", entry_point=ENTRY_POINT)
        runner.run(part.jobs.register_job(SLUG, spec, 1, TESTER))
        return _median_ms(
            bench,
            own,
            lambda: str(runner.run(part.jobs.launch(SLUG, Launch(), TESTER)).run_id),
        )


def _median_ms(
    bench: Bench,
    own: Site,
    launch: LaunchRun,
    prepare: Callable[[], None] = lambda: None,
) -> float:
    took = []
    with psycopg.connect(own.url, autocommit=True) as connection:
        for number in range(_samples(bench) + 1):
            prepare()
            time.sleep(random.uniform(0.005, 0.02))
            began = time.monotonic_ns()
            started = _started_ns(
                connection, launch(), DEADLINE_S if number else 3 * DEADLINE_S
            )
            if number:  # The first has waited for the worker to come up.
                took.append((started - began) / 1e6)
    return median(took)


def _started_ns(connection: psycopg.Connection, run_id: str, timeout_s: float) -> int:
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
