"""Launchers, claimers and cancelers race: no deadlock, nothing claimed twice, every limit held."""

import asyncio
import os
import random
from collections import Counter
from contextlib import suppress
from uuid import UUID

import pytest

from domain.errors import ConflictError, VersionConflictError
from domain.jobs.launching import Launch
from domain.jobs.run_events import AttemptFailure, Report
from domain.json_values import JsonObject
from eventlog.database.connection import Database
from projections.envelope import Envelope
from tests.support.logs import TESTER, Parts, parts, query, registered
from tests.support.sample_logs import promises
from tests.support.slow import slow

SECONDS = float(os.environ.get("APPHUB_RACE_S", "5"))
"""`make race` runs for minutes."""

SERVICES = 4

LIMIT = 3


class _Race:
    """What the racers share."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.run_ids: list[UUID] = []

    async def launch(self, part: Parts, slug: str) -> None:
        while not self.over.is_set():
            parameters: JsonObject = {"key": random.randrange(4)}
            launched = await part.jobs.launch(
                slug, Launch(parameters=parameters, max_attempts=2), TESTER
            )
            self.run_ids.append(launched.run_id)

    async def cancel(self, part: Parts) -> None:
        while not self.over.is_set():
            await asyncio.sleep(0)
            if self.run_ids:
                with suppress(ConflictError):
                    await part.jobs.cancel(random.choice(self.run_ids[-50:]), "racing", TESTER)

    async def work(self, part: Parts, worker_id: str) -> None:
        await part.worker(worker_id)
        while not self.over.is_set():
            try:
                claims = await part.executions.claim(worker_id, random.randint(1, 5))
            except VersionConflictError:
                pytest.fail("a claim under the lock was overtaken")
            for claim in claims:
                await asyncio.sleep(random.random() / 100)
                run_id, holder = claim.run.id, claim.holder
                end = random.random()
                if end < 0.6:
                    await part.executions.succeed(run_id, holder, None, Report())
                elif end < 0.8:
                    await part.executions.fail(run_id, holder, AttemptFailure("racing"), Report())
                else:
                    await part.executions.hand_back(run_id, holder)


@pytest.mark.parametrize("for_s", [SECONDS, slow(10.0)])
async def test_racing_launchers_claimers_and_cancelers(database_url: str, for_s: float) -> None:
    race = _Race()

    async with (
        parts(database_url) as one,
        parts(database_url) as two,
        parts(database_url) as three,
        parts(database_url) as four,
    ):
        services = [one, two, three, four]
        assert len(services) == SERVICES
        slugs = [
            await registered(one.jobs, "limited", max_concurrent_runs=LIMIT),
            await registered(one.jobs, "keyed", concurrency_key="key"),
            await registered(one.jobs, "free"),
        ]
        async with asyncio.TaskGroup() as group:
            for number, part in enumerate(services):
                for slug in slugs:
                    group.create_task(race.launch(part, slug))
                group.create_task(race.cancel(part))
                group.create_task(race.cancel(part))
                group.create_task(race.work(part, f"worker-{number}"))
            await asyncio.sleep(for_s)
            race.over.set()
        events: list[Envelope] = []
        while chunk := await one.reader.after(events[-1].position if events else 0):
            events += chunk
    _check_history(events)
    await promises.keep(Database(database_url), race.run_ids)
    assert query(
        database_url, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    ) == [(0,)]
    [(wrong,)] = query(
        database_url,
        "SELECT count(*) FROM job_runs WHERE aggregate_version IS DISTINCT FROM"
        " (SELECT max(originator_version) FROM jobs_events WHERE originator_id = id)",
    )
    assert wrong == 0


def _check_history(events: list[Envelope]) -> None:
    """Walk the log in order: what runs at a time is within all limits, and held by one worker."""
    slugs: dict[UUID, str] = {}
    keys: dict[UUID, object] = {}
    running: dict[UUID, object] = {}
    started: Counter[tuple[UUID, object]] = Counter()
    for event in events:
        run_id = event.aggregate_id
        if event.topic == "job_run.requested":
            slugs[run_id] = str(event.data["slug"])
            keys[run_id] = event.data["concurrency_value"]
        elif event.topic == "job_run.started":
            assert run_id not in running, "claimed while another worker holds it"
            started[run_id, event.data["execution"]] += 1
            running[run_id] = event.data["worker_id"]
            _check_limits(running, slugs, keys)
        elif event.topic not in {"job_run.cancel_requested", "job_run.progressed"}:
            running.pop(run_id, None)
    assert max(started.values()) == 1
    assert len(started) > 20
    assert {
        "job_run.canceled",
        "job_run.succeeded",
        "job_run.attempt_failed",
        "job_run.handed_back",
    } <= {event.topic for event in events}


def _check_limits(
    running: dict[UUID, object], slugs: dict[UUID, str], keys: dict[UUID, object]
) -> None:
    assert sum(slugs[run_id] == "limited" for run_id in running) <= LIMIT
    held = [keys[run_id] for run_id in running if slugs[run_id] == "keyed"]
    assert len(held) == len(set(held)), "two runs with the same key at the same time"
