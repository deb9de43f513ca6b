"""What a claim costs where there is much that it has nothing to do with.

    python -m benchmarks.rows.claims [--quick] [--rounds N] [--json FILE]

Claims of four runs, in one process, without executing them: beside nothing; of a job that has
every limit there is, none of which binds; beside 50 000 jobs that are limited; and of runs that
were retried, each with a long history, among 30 000 of them. Then from a launch to its end, with
one idle worker and with eight.
"""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

import psycopg
import uvloop

from benchmarks.harness.alone import run_alone
from benchmarks.harness.processes import python, running
from benchmarks.harness.results import Bench, Reference, Row, in_turns
from benchmarks.harness.systems import OURS, Site, site
from domain.jobs.definition import JobSpec
from domain.jobs.launching import Launch
from domain.jobs.run_events import AttemptFailure, Report
from tests.support.logs import TESTER, Parts, parts, registered
from tests.support.sample_logs.big_logs import multiply

SLOTS = 4

LIMITED = 50_000

RETRIED = 30_000

REPORTS = 20
"""Of each retried run."""

AT_FULL_EFFORT = 333_333
"""The effort's `runs` at which there is as much of everything as said above."""

TENANTS = 10

LABELS = {"zone": "north"}

STEERED: dict[str, Any] = {
    "max_concurrent_runs": 1_000,
    "concurrency_key": "tenant",
    "concurrency_limit": 100,
    "rate_limit": {"limit": 1_000, "periodMs": 1_000, "key": "tenant"},
    "fairness_key": "tenant",
    "start_deadline_ms": 3_600_000,
    "worker_labels": LABELS,
}
"""What a job says that has every limit, none of which binds here."""

LIMITED_JOBS = """
    INSERT INTO job_definitions SELECT copy.*
    FROM job_definitions AS job, generate_series(1, %s) AS number,
    LATERAL jsonb_populate_record(job, jsonb_build_object(
        'id', gen_random_uuid(), 'slug', 'limited-' || number, 'max_concurrent_runs', 1)) AS copy
"""

ENDED = "SELECT count(*) FROM job_runs WHERE status = 'succeeded'"

LOOK_EVERY_S = 0.001


def measure(bench: Bench) -> list[Row]:
    """Measure all in turns."""
    workers = bench.effort.idle_workers
    figures = in_turns(
        bench,
        {
            "plain": partial(_claim_ms, bench, _nothing),
            "steered": partial(_claim_ms, bench, _nothing, STEERED),
            "limited": partial(_claim_ms, bench, _limited_jobs),
            "retried": partial(_claim_ms, bench, _retried_runs),
            "one idle worker": partial(_launch_to_end_ms, bench, 1),
            "idle workers": partial(_launch_to_end_ms, bench, workers),
        },
    )
    titles = {
        "steered": ("a claim of a job with every limit", "plain", 1.3),
        "limited": (f"a claim beside {LIMITED} limited jobs", "plain", 2.0),
        "retried": (f"a claim of {RETRIED} runs of long histories", "plain", 2.0),
        "idle workers": (f"launch to end with {workers} idle workers", "one idle worker", 2.0),
    }
    return [
        Row(
            name=f"claims-{name.replace(' ', '-')}",
            title=title,
            unit="ms",
            rounds=figures[name],
            references=[Reference(beside, figures[beside], goal)],
            lower_is_better=True,
        )
        for name, (title, beside, goal) in titles.items()
    ]


Fill = Callable[[Parts, float], None]
"""Fills the database with this share of what is said above."""


def _nothing(part: Parts, share: float) -> None:
    del part, share


def _limited_jobs(part: Parts, share: float) -> None:
    with psycopg.connect(part.url, autocommit=True) as connection:
        connection.execute(LIMITED_JOBS.encode(), (max(1, round(LIMITED * share)),))
        connection.execute("ANALYZE job_definitions")


def _retried_runs(part: Parts, share: float) -> None:
    with psycopg.connect(part.url, autocommit=True) as connection:
        row = connection.execute("SELECT id FROM job_runs WHERE attempt = 2").fetchone()
        assert row is not None
        multiply(connection, row[0], max(1, round(RETRIED * share)), time_ordered=True)


def _claim_ms(bench: Bench, fill: Fill, steered: dict[str, Any] | None = None) -> float:
    """Return what a claim takes beside what is filled in, of a job that says this as well."""
    with site(bench, OURS) as own, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_claim(own.url, bench, fill, steered or {}))


async def _claim(url: str, bench: Bench, fill: Fill, steered: dict[str, Any]) -> float:
    claims = _samples(bench)
    async with parts(url) as part:
        await registered(part.jobs, retry_policy={"maxAttempts": 2}, **steered)
        await part.worker("worker", labels=LABELS)
        await _retried_run(part)
        share = bench.effort.runs / AT_FULL_EFFORT
        await asyncio.to_thread(fill, part, share)
        for number in range((claims + 1) * SLOTS):
            launch = Launch(parameters={"tenant": number % TENANTS})
            await part.jobs.launch("job", launch, TESTER)
        took: list[float] = []
        for _ in range(claims + 1):
            began = perf_counter()
            claimed = await part.executions.claim("worker", SLOTS)
            took.append(perf_counter() - began)
            assert len(claimed) == SLOTS
            for one in claimed:
                await part.executions.succeed(one.run.id, one.holder, None, Report())
    # The first one looks at everything once.
    return median(took[1:]) * 1000


async def _retried_run(part: Parts) -> None:
    """Launch a run that has reported much and failed once."""
    launched = await part.jobs.launch("job", Launch(), TESTER)
    [claim] = await part.executions.claim("worker", 1)
    for number in range(REPORTS):
        report = Report(metrics={"step": number})
        await part.executions.progress(launched.run_id, claim.holder, report)
    failure = AttemptFailure("once more", retry_after_ms=0)
    await part.executions.fail(launched.run_id, claim.holder, failure, Report())


def _samples(bench: Bench) -> int:
    return max(3, bench.effort.samples // bench.effort.rounds)


def _launch_to_end_ms(bench: Bench, workers: int) -> float:
    command = python("cli", "worker", "--handlers", "benchmarks.handlers", "--slots", str(SLOTS))
    with site(bench, OURS) as own, ExitStack() as stack:
        for number in range(workers):
            log = own.directory / f"worker-{number}.log"
            stack.enter_context(running(command, own.env, log))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_launch_to_end(own, bench, workers))


async def _launch_to_end(own: Site, bench: Bench, workers: int) -> float:
    took: list[float] = []
    async with parts(own.url) as part:
        spec = JobSpec(name="noop", type="batch", entry_point="bench.noop")
        await part.jobs.register_job("noop", spec, 1, TESTER)
        async with asyncio.timeout(120):
            living = 0
            while living < workers:
                await asyncio.sleep(0.1)
                living = len(await part.heartbeats.living())
        for number in range(_samples(bench) + workers):
            began = perf_counter()
            await part.jobs.launch("noop", Launch(), TESTER)
            await _ended(own.url, number + 1)
            took.append(perf_counter() - began)
    # Each worker starts its first process at its first run.
    return median(took[workers:]) * 1000


async def _ended(url: str, runs: int) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as session:
        while True:
            cursor = await session.execute(ENDED)
            if await cursor.fetchone() == (runs,):
                return
            await asyncio.sleep(LOOK_EVERY_S)


if __name__ == "__main__":
    run_alone(measure, __doc__)
