"""How soon all goes on after a worker's death and a restart of PostgreSQL.

Amid other faults that is only told: the observers are hurt, too. Once all others are over, the same
faults come one by one, and then it must be soon.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from random import Random
from statistics import median
from time import monotonic
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.chaos.clients import SHARED, Launcher, Promises, http_client
from tests.chaos.cluster import Cluster, Member
from tests.chaos.faults import Faults, restart_postgresql
from tests.chaos.tally import Tally
from tests.chaos.waits import Fleet, Life, RunEvent, Shares, Wait

KILLS = 3

RUN_MS = 3_000
"""How long a run goes on that is to be interrupted."""

AFTER_LEASE_S = 3.0
"""So long after the lease of a worker that was killed its runs must have started again. Not counted
is the time in which they were due and others had every slot, or all that their job or key allow."""

AFTER_RESTART_S = 3.0
"""So long after PostgreSQL takes connections a launch must have been accepted."""

ENOUGH_S = 60.0

RUN_EVENTS = """
    SELECT extract(epoch FROM recorded_at)::float8 AS at, originator_id::text AS run_id, topic,
        said ->> 'worker_id' AS worker,
        extract(epoch FROM (said ->> 'retry_at')::timestamptz)::float8 AS due_at
    FROM (
        SELECT *, convert_from(state, 'UTF8')::jsonb AS said FROM jobs_events
        WHERE topic LIKE 'job_run.%' AND topic <> 'job_run.progressed'
    ) AS told ORDER BY notification_id
"""

LIVES = """
    SELECT id AS worker, slots, extract(epoch FROM started_at)::float8 AS since,
        extract(epoch FROM dead_at)::float8 AS until
    FROM workers
"""

SHARES = """
    SELECT run.id::text AS run_id, run.slug AS job, job.max_concurrent_runs AS at_most,
        run.concurrency_value AS key
    FROM job_runs AS run JOIN job_definitions AS job ON job.id = run.job_definition_id
"""

HELD = "SELECT worker_id, count(*) FROM job_runs WHERE status = 'running' GROUP BY 1"

WAITING = """
    SELECT count(*) FROM jobs_events AS lost
    WHERE topic = 'job_run.attempt_lost'
        AND convert_from(state, 'UTF8')::jsonb #>> '{worker_id}' = %s
        AND NOT EXISTS (
            SELECT 1 FROM jobs_events AS later
            WHERE later.originator_id = lost.originator_id
                AND later.originator_version > lost.originator_version)
"""


@dataclass
class Alone:
    """Faults that no other accompanied.

    Attributes:
        killed: ids of workers.
        database_back_at: when PostgreSQL took connections again, by the monotonic clock.
    """

    killed: list[str] = field(default_factory=list)
    database_back_at: list[float] = field(default_factory=list)


async def hurt_alone(
    cluster: Cluster, proofs: Path, faults: Faults, promises: Promises, kills: int
) -> Alone:
    """Kill some workers and restart PostgreSQL, one after the other; none if no kills are asked."""
    alone = Alone()
    if not kills:
        return alone
    for _ in range(kills):
        worker_id = await _kill_a_worker_at_work(cluster, proofs, promises)
        alone.killed.append(worker_id)
        await _until_nothing_waits(cluster, worker_id)
    before = len(faults.database_back_at)
    await restart_postgresql(faults)
    alone.database_back_at = faults.database_back_at[before:]
    # Launchers go on until it is known when the first of them got through.
    await asyncio.sleep(AFTER_RESTART_S)
    return alone


async def _kill_a_worker_at_work(cluster: Cluster, proofs: Path, promises: Promises) -> str:
    until = monotonic() + ENOUGH_S
    while monotonic() < until:
        held = _held(cluster)
        at_work = [one for one in cluster.workers if held.get(one.worker_id)]
        if at_work and all(_is_ready(worker) for worker in cluster.workers):
            worker_id = at_work[0].worker_id
            at_work[0].kill()
            return worker_id
        if not held:
            await _launch_long_ones(cluster, proofs, promises)
        await asyncio.sleep(0.1)
    states = [f"{one.name}: ready {_is_ready(one)}" for one in cluster.workers]
    msg = f"in {ENOUGH_S:g} s no worker was at work while all were ready ({', '.join(states)})"
    raise AssertionError(msg)


def _is_ready(worker: Member) -> bool:
    return worker.is_up and worker.worker_id != ""


async def _launch_long_ones(cluster: Cluster, proofs: Path, promises: Promises) -> None:
    """Launch some runs that go on for a while, fewer than there are slots."""
    parameters = {
        "directory": str(proofs),
        "kind": "plain",
        "forMs": RUN_MS,
        "key": None,
        "seat": False,
    }
    # An API that was killed last may still be starting.
    launcher = Launcher(cluster.api_urls, proofs, Random(), promises)
    async with http_client() as client, asyncio.timeout(ENOUGH_S):
        for _ in range(2 * len(cluster.workers)):
            await launcher.launch(client, "free", parameters)


def _held(cluster: Cluster) -> Mapping[str, int]:
    with psycopg.connect(cluster.url) as connection:
        return dict(connection.execute(HELD).fetchall())


async def _until_nothing_waits(cluster: Cluster, worker_id: str) -> None:
    """Wait until all that a killed worker held has started again."""
    until = monotonic() + ENOUGH_S
    while monotonic() < until:
        with psycopg.connect(cluster.url) as connection:
            [(waiting,)] = connection.execute(WAITING, (worker_id,)).fetchall()
        if not waiting and worker_id not in _held(cluster):
            return
        await asyncio.sleep(0.2)


def tell_recovery(
    tally: Tally, cluster: Cluster, promises: Promises, faults: Faults, alone: Alone
) -> None:
    """Tell how long what a killed worker ran waited, and launches after PostgreSQL was back."""
    killed = {name: at for worker in cluster.workers for at, name in worker.kills if name}
    amid = {name: at for name, at in killed.items() if name not in alone.killed}
    _tell_kills(tally, cluster, _waits(cluster, killed, amid), "amid others")
    waits = _waits(cluster, killed, alone.killed)
    _tell_kills(tally, cluster, waits, "alone")
    limit_s = cluster.lease_s + AFTER_LEASE_S
    late = [
        f"{wait.rest_s:.1f} s without a reason, at most {limit_s:g} s"
        for wait in waits
        if wait.rest_s > limit_s
    ]
    tally.add("late after a kill", late)
    _tell_restarts(tally, promises, faults.database_back_at, "amid others")
    behind = _tell_restarts(tally, promises, alone.database_back_at, "alone")
    late = [
        f"{wait_s:.1f} s, at most {AFTER_RESTART_S:g} s"
        for wait_s in behind
        if wait_s > AFTER_RESTART_S
    ]
    tally.add("late after restart", late)


def _tell_kills(tally: Tally, cluster: Cluster, waits: Sequence[Wait], which: str) -> None:
    """Tell after how long the runs of killed workers started again."""
    if not waits:
        return
    figures: dict[str, list[float]] = {
        "recovered": [wait.recovered_s for wait in waits],
        "started again": [wait.started_s for wait in waits],
        "of that, due while every slot was taken": [wait.for_a_slot_s for wait in waits],
        "of that, due while their job or key allowed no more": [
            wait.for_its_share_s for wait in waits
        ],
        "the rest": [wait.rest_s for wait in waits],
    }
    tally.notes.append(
        f"worker killed, {which} -> its {len(waits)} runs (lease {cluster.lease_s:g} s)"
    )
    for what, times_s in figures.items():
        middle_s, longest_s = median(times_s), max(times_s)
        tally.notes.append(f"    {what}: median {middle_s:.1f} s, longest {longest_s:.1f} s")


def _tell_restarts(
    tally: Tally, promises: Promises, back_at: list[float], which: str
) -> list[float]:
    waits = [
        min(at for at in promises.accepted_at if at > back) - back
        for back in back_at
        if any(at > back for at in promises.accepted_at)
    ]
    if waits:
        tally.notes.append(
            f"PostgreSQL back, {which} -> first launch accepted: longest {max(waits):.2f} s"
        )
    return waits


def _waits(cluster: Cluster, killed: Mapping[str, float], run_ids: Collection[str]) -> list[Wait]:
    """Return how long runs of some of the killed workers waited."""
    with psycopg.connect(cluster.url, row_factory=dict_row) as connection:
        events = [RunEvent(**row) for row in connection.execute(RUN_EVENTS)]
        lives = [_life(row, killed) for row in connection.execute(LIVES)]
        shares = {row.pop("run_id"): Shares(**row) for row in connection.execute(SHARES)}
    # Attempts that share a process have slots of their own.
    relevant = [event for event in events if shares[event.run_id].job != SHARED]
    of_wanted = {name: at for name, at in killed.items() if name in run_ids}
    return Fleet(lives, shares, of_wanted).walk(relevant)


def _life(row: Mapping[str, Any], killed: Mapping[str, float]) -> Life:
    """Return a worker's life; it claims nothing once it is killed, whoever has noticed."""
    ends = [row["until"], killed.get(row["worker"])]
    until = min([end for end in ends if end is not None], default=inf)
    return Life(row["worker"], row["slots"], row["since"], until)
