"""Where values take turns, a claim picks what looking at every run would pick."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import orjson
import pytest

from domain.clock import to_iso
from projections.flow import claims
from projections.rows import Connection
from tests.support.logs import Parts, registered, select_anew

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)

JOBS: dict[str, dict[str, Any]] = {
    "free": {},
    "fair": {"fairness_key": "t"},
    "limited": {"fairness_key": "t", "max_concurrent_runs": 6},
    "keyed": {"fairness_key": "t", "concurrency_key": "k", "concurrency_limit": 2},
    "held": {"fairness_key": "t", "concurrency_key": "t", "concurrency_limit": 2},
    "crowded": {"fairness_key": "t", "concurrency_key": "k"},
}

INSERT = """
    INSERT INTO job_runs (id, job_definition_id, slug, definition_version, entry_point, status,
        parameters, attempt, max_attempts, execution, priority, concurrency_value, scheduled_at,
        fair_value, last_turn, created_at, updated_at, requested_by, created_position,
        aggregate_version, position)
    SELECT new.id, job.id, job.slug, 1, '', new.status, '{}', 1, 1, 1, new.priority,
        new.concurrency_value, new.scheduled_at, new.fair_value, new.last_turn,
        now(), now(), '', 0, 1, 0
    FROM jsonb_to_recordset(%s::jsonb) AS new (id uuid, slug text, status text, priority integer,
        concurrency_value text, scheduled_at timestamptz, fair_value text, last_turn bigint)
    JOIN job_definitions AS job ON job.slug = new.slug
"""

Row = dict[str, Any]


def _crowd(random: Random, runs: int, values: int) -> list[Row]:
    """Make up runs; those of the first value are many, and come first."""

    def run(number: int) -> Row:
        slug = random.choice([*JOBS, "fair", "keyed", "crowded"])
        value: str | None = None
        if slug != "free":
            value = f"{min(int(random.expovariate(4) * values), values):03}"
        in_front = value == "000"
        minutes = random.randrange(-9, -5) if in_front else random.randrange(-5, 2)
        keys = {"keyed": str(random.randrange(9)), "held": value}
        keys["crowded"] = random.choice([None, "x", "x", "y", "z"])
        was_started = random.random() < 9 / runs
        status = "pending"
        if was_started:
            status = random.choice(["running", "succeeded", "pending"])
        return {
            "id": str(UUID(int=random.getrandbits(128))),
            "slug": slug,
            "status": status,
            "priority": random.choice([0, 0, 7]),
            "concurrency_value": keys.get(slug),
            "scheduled_at": to_iso(NOW + timedelta(minutes=minutes)),
            "fair_value": value,
            "last_turn": number if was_started and value is not None else None,
        }

    return [run(number) for number in range(1, runs + 1)]


class _Looking:
    """A claim that looks at every run."""

    def __init__(self, runs: list[Row]) -> None:
        self._runs = runs
        running = [run for run in runs if run["status"] == "running"]
        self._of_job = Counter(run["slug"] for run in running)
        self._keys = Counter((run["slug"], run["concurrency_value"]) for run in running)
        self._last: dict[Any, tuple[int, str]] = {}
        for run in runs:
            if run["last_turn"] is not None:
                turn = (run["last_turn"], run["fair_value"])
                self._last[_group(run)] = max(self._last.get(_group(run), turn), turn)

    def pick(self, limit: int) -> list[str]:
        waiting = sorted(
            (run for run in self._runs if _is_due(run)),
            key=lambda one: (-one["priority"], one["scheduled_at"], one["id"]),
        )
        picked: list[Row] = []
        while len(picked) < limit:
            free = [run for run in waiting if run not in picked and self._may_start(run)]
            run = next((run for run in free if self._is_next(run, free)), None)
            if run is None:
                break
            picked.append(run)
            self._start(run)
        return [run["id"] for run in picked]

    def _is_next(self, run: Row, free: list[Row]) -> bool:
        """Return whether a run is the first of its value, and that value the next one."""
        if run["fair_value"] is None:
            return True
        _, last = self._last.get(_group(run), (0, ""))
        group = [one for one in free if _group(one) == _group(run)]
        group.sort(key=lambda one: (one["fair_value"] <= last, one["fair_value"]))
        return group[0] is run

    def _may_start(self, run: Row) -> bool:
        job = JOBS[run["slug"]]
        if self._of_job[run["slug"]] >= job.get("max_concurrent_runs", 999):
            return False
        key = (run["slug"], run["concurrency_value"])
        most: int = job.get("concurrency_limit", 1)
        return key[1] is None or self._keys[key] < most

    def _start(self, run: Row) -> None:
        self._of_job[run["slug"]] += 1
        self._keys[run["slug"], run["concurrency_value"]] += 1
        self._last[_group(run)] = (0, run["fair_value"])


def _group(run: Row) -> tuple[str, int]:
    return run["slug"], run["priority"]


def _is_due(run: Row) -> bool:
    return bool(run["status"] == "pending" and run["scheduled_at"] <= to_iso(NOW))


async def _check(connection: Connection, random: Random, limit: int) -> None:
    runs = _crowd(random, random.choice([3, 30, 150]), random.choice([1, 5, 50]))
    await connection.execute("DELETE FROM job_runs")
    await connection.execute(INSERT, (orjson.dumps(runs).decode(),))
    selected = await select_anew(connection, NOW, limit)
    assert [str(run_id) for run_id in selected] == _Looking(runs).pick(limit)


@pytest.mark.parametrize(("front", "of_job"), [(12, 8), (0, 0)])
async def test_a_claim_picks_what_looking_at_every_run_would_pick(
    part: Parts, monkeypatch: pytest.MonkeyPatch, front: int, of_job: int
) -> None:
    monkeypatch.setattr(claims, "EXTRA_OF_QUEUE", front)
    monkeypatch.setattr(claims, "EXTRA_OF_JOB", of_job)
    for slug, spec in JOBS.items():
        await registered(part.jobs, slug, **spec)
    async with part.pool.connection() as connection:
        for seed in range(60):
            await _check(connection, Random(seed), limit=1 + seed % 7)
