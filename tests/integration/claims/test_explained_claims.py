"""Explanations and claims agree: what nothing keeps is taken by some worker's next claim."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import orjson
import pytest

from domain.clock import cut_to_ms
from domain.jobs.definition import JobSpec
from domain.ports import Offer
from domain.workers import Registration
from eventlog.explain import explain_now
from eventlog.pending_queue import FollowedQueue
from projections.rows import Connection
from tests.support.logs import TESTER, Parts
from tests.support.slow import slow

JOBS: dict[str, dict[str, Any]] = {
    "free": {"entry_point": "a"},
    "limited": {"entry_point": "a", "max_concurrent_runs": 2},
    "full": {"entry_point": "b", "max_concurrent_runs": 1},
    "keyed": {"entry_point": "b", "concurrency_key": "k"},
    "both": {"entry_point": "c", "concurrency_key": "k", "max_concurrent_runs": 3},
    "shared": {"entry_point": "a", "concurrency_key": "k", "concurrency_limit": 2},
    "paused": {"entry_point": "a", "concurrency_key": "k"},
    "fair": {"entry_point": "a", "fairness_key": "t"},
    "turns": {
        "entry_point": "c",
        "fairness_key": "t",
        "concurrency_key": "k",
        "max_concurrent_runs": 3,
    },
    "nobodys": {"entry_point": "d"},
    "labelled": {"entry_point": "b", "worker_labels": {"zone": "eu"}},
    "elsewhere": {"entry_point": "a", "worker_labels": {"zone": "us"}},
}

INSERT = """
    INSERT INTO job_runs (id, job_definition_id, slug, definition_version, entry_point, status,
        parameters, attempt, max_attempts, execution, priority, concurrency_value, scheduled_at,
        start_deadline_at, started_at, worker_id, created_at, updated_at, requested_by,
        fair_value, last_turn, created_position, aggregate_version, position)
    SELECT new.id, job.id, job.slug, 1, job.entry_point, new.status, '{}', 1, 1, new.execution,
        new.priority, new.concurrency_value, new.scheduled_at, new.start_deadline_at,
        CASE WHEN new.worker_id IS NOT NULL THEN now() END, new.worker_id, now(), now(), '',
        new.fair_value, new.last_turn, 0, 1, 0
    FROM jsonb_to_recordset(%s::jsonb) AS new (id uuid, slug text, status text,
        execution integer, priority integer, concurrency_value text, scheduled_at timestamptz,
        start_deadline_at timestamptz, worker_id text, fair_value text, last_turn bigint)
    JOIN job_definitions AS job ON job.slug = new.slug
"""


@dataclass(frozen=True)
class _Worker:
    id: str
    entry_points: Sequence[str]
    slots: int
    labels: dict[str, str]

    async def register(self, part: Parts) -> None:
        registration = Registration(
            host="host",
            pid=1,
            slots=self.slots,
            lease_ms=600_000,
            entry_points=self.entry_points,
            labels=self.labels,
        )
        await part.heartbeats.register(self.id, registration)

    async def picks(self, connection: Connection, busy: int) -> set[str]:
        """Return what the next claim of this worker would take."""
        free = self.slots - busy
        if free <= 0:
            return set()
        queue = FollowedQueue()
        labels = frozenset(self.labels.items())
        offer = Offer(frozenset(self.entry_points), labels=labels)
        await queue.follow(connection, offer)
        now = datetime.now(UTC)
        async with connection.transaction():
            as_of = "SELECT set_config('apphub.now', %s::timestamptz::text, true)"
            await connection.execute(as_of, [now])
            selected = await queue.select(connection, None, now, free)
        return {str(run_id) for run_id in selected}


WORKERS = [
    _Worker("ab", ["a", "b"], 4, {"zone": "eu", "gpu": "a100"}),
    _Worker("bc", ["b", "c"], 2, {}),
]


def _crowd(random: Random, at: datetime) -> list[dict[str, Any]]:
    """Make up runs that wait, and a few that are under way as far as limits let them."""
    running: list[dict[str, Any]] = []
    waiting: list[dict[str, Any]] = []
    for number in range(random.choice([4, 15, 40])):
        slug = random.choice([*JOBS])
        key: str | None = None
        if slug in {"keyed", "both", "shared", "paused", "turns"} and random.random() < 0.9:
            key = str(random.randrange(3))
        run: dict[str, Any] = {
            "id": str(UUID(int=random.getrandbits(128))),
            "slug": slug,
            "status": "pending",
            "execution": random.randrange(2),
            "priority": random.choice([-1, 0, 0, 7]),
            "concurrency_value": key,
            "scheduled_at": (at + timedelta(hours=random.randrange(-5, 2))).isoformat(),
        }
        if "fairness_key" in JOBS[slug]:
            run["fair_value"] = str(int(random.expovariate(1)))
        if random.random() < 0.1:
            deadline = at + timedelta(hours=random.choice([-1, 1]))
            run["start_deadline_at"] = deadline.isoformat()
        of_job = [one for one in running if one["slug"] == slug]
        is_free = len(of_job) < JOBS[slug].get("max_concurrent_runs", 99)
        holders = [one for one in of_job if one["concurrency_value"] == key]
        limit = JOBS[slug].get("concurrency_limit", 1)
        is_free &= key is None or len(holders) < limit
        if is_free and random.random() < 0.2:
            worker = random.choice(WORKERS)
            run |= {"status": "running", "execution": 1, "worker_id": worker.id}
            if "fair_value" in run:
                run["last_turn"] = number + 1
            running.append(run)
        else:
            waiting.append(run)
    return [*running, *waiting]


async def _check(part: Parts, connection: Connection, runs: list[dict[str, Any]]) -> set[str]:
    """Compare, and return the codes that were met."""
    await connection.execute("DELETE FROM job_runs")
    await connection.execute(INSERT, (orjson.dumps(runs).decode(),))
    taken: set[str] = set()
    for worker in WORKERS:
        busy = sum(run.get("worker_id") == worker.id for run in runs)
        taken |= await worker.picks(connection, busy)
    codes: set[str] = set()
    for run in runs:
        if run["status"] != "pending":
            continue
        explanation = await explain_now(
            connection, part.files, part.jobs.quarantine, UUID(run["id"])
        )
        assert explanation is not None
        reasons: Any = explanation["reasons"]
        is_kept = any(reason["binding"] for reason in reasons)
        assert is_kept == (run["id"] not in taken), (run, reasons)
        codes.update(reason["code"] for reason in reasons)
    return codes


@pytest.mark.parametrize("rounds", [15, slow(60)])
async def test_what_nothing_keeps_is_what_the_next_claims_take(part: Parts, rounds: int) -> None:
    for slug, spec in JOBS.items():
        await part.jobs.register_job(slug, JobSpec(name=slug, type="batch", **spec), 1, TESTER)
    await part.jobs.pause_job("paused", None, TESTER)
    for worker in WORKERS:
        await worker.register(part)
    codes: set[str] = set()
    async with part.pool.connection() as connection:
        for seed in range(rounds):
            # All times of the service end at the millisecond.
            runs = _crowd(Random(seed), cut_to_ms(datetime.now(UTC)))
            codes |= await _check(part, connection, runs)
    # The walk has met all that such a queue can hold.
    assert codes == {
        "not_due",
        "start_deadline",
        "no_worker_offers_entry_point",
        "no_worker_has_labels",
        "slots_full",
        "job_paused",
        "job_limit",
        "key_limit",
        "behind_others",
    }
