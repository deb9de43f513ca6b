"""Limits of concurrency, and which of some due runs they and the worker's offer let start."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain.clock import from_iso, to_iso
from domain.ports import Offer

Key = tuple[str, str]
"""A job's id and a value of its concurrency key: at most one run with both may be under way."""


class Contender(TypedDict):
    """What of a run may be in the way of others, or others in its."""

    id: ReadOnly[str]
    job_definition_id: ReadOnly[str]
    concurrency_value: ReadOnly[str | None]


class Candidate(Contender):
    """A pending run, with all that decides when it starts.

    `start_by` is its start deadline, None where it has none or was started before;
    `max_concurrent_runs` is its job's present limit, if there is one.
    """

    entry_point: ReadOnly[str]
    priority: ReadOnly[int]
    scheduled_at: ReadOnly[str]
    start_by: ReadOnly[str | None]
    max_concurrent_runs: ReadOnly[int | None]


CANDIDATE = """
    id, job_definition_id, concurrency_value, entry_point, priority, scheduled_at,
    CASE WHEN execution = 0 THEN start_deadline_at END AS start_by
"""
"""What of a row makes it a `Candidate`, but for its job's limit."""

LIMIT = """
    (SELECT job.max_concurrent_runs FROM job_definitions AS job
     WHERE job.id = run.job_definition_id) AS max_concurrent_runs
"""

FRONT: Candidate = {
    "id": "00000000-0000-0000-0000-000000000000",
    "job_definition_id": "",
    "concurrency_value": None,
    "entry_point": "",
    "priority": 1_000,
    "scheduled_at": "-infinity",
    "start_by": None,
    "max_concurrent_runs": None,
}
"""Stands before all runs."""


def order(run: Candidate) -> tuple[int, str, str]:
    """Return where the run stands in the queue."""
    highest_first = -run["priority"]
    return highest_first, run["scheduled_at"], run["id"]


def key_of(run: Contender) -> Key | None:
    """Return what no other run may hold while this one is under way, if there is such a key."""
    value = run["concurrency_value"]
    if value is None:
        return None
    return run["job_definition_id"], value


def without_hopeful(
    runs: Iterable[Candidate], offer: Offer, now: str
) -> list[Candidate]:
    """Leave out those whose entry point nobody offers, but may yet, before they are given up."""
    grace = timedelta(seconds=offer.grace_s)
    long_ago = to_iso(from_iso(now) - grace)
    return [
        run
        for run in runs
        if run["entry_point"] in offer.entry_points or run["scheduled_at"] <= long_ago
    ]


class Limits:
    """How much of each job's concurrency is left, as the claim goes along.

    Args:
        running: how many runs of each job are under way; those left out have none.
        held: the keys of runs that are under way.
    """

    def __init__(self, running: Mapping[str, int], held: Collection[Key]) -> None:
        self._running = running
        self._held = held
        self._picked_of_job: Counter[str] = Counter()
        self._picked_keys: set[Key] = set()

    def is_full(self, job_id: str, most: int | None) -> bool:
        """Return whether no run of the job may start any more, if so many may at a time."""
        if most is None:
            return False
        picked = self._picked_of_job[job_id]
        return self._running.get(job_id, 0) + picked >= most

    def is_held(self, run: Contender) -> bool:
        """Return whether another run that is under way holds the run's key."""
        return key_of(run) in self._held

    def held_values(self, job_id: str) -> list[str]:
        """Return the values of the job's key that runs under way hold."""
        return [value for job, value in self._held if job == job_id]

    def pick(self, runs: Iterable[Candidate], limit: int) -> list[UUID]:
        """Admit the first runs that have room, up to the limit."""
        picked: list[UUID] = []
        for run in runs:
            if len(picked) == limit:
                break
            if self._admit(run):
                picked.append(UUID(run["id"]))
        return picked

    def _admit(self, run: Candidate) -> bool:
        """Count the run in, if its job and its key have room."""
        job = run["job_definition_id"]
        if self.is_full(job, run["max_concurrent_runs"]) or self.is_held(run):
            return False
        key = key_of(run)
        if key is not None:
            if key in self._picked_keys:
                return False
            self._picked_keys.add(key)
        self._picked_of_job[job] += 1
        return True


def keyed_by_job(runs: Iterable[Candidate]) -> dict[str, list[Candidate]]:
    """Return by job those that have a key."""
    keyed: dict[str, list[Candidate]] = {}
    for run in runs:
        if run["concurrency_value"] is None:
            continue
        job = run["job_definition_id"]
        of_job = keyed.setdefault(job, [])
        of_job.append(run)
    return keyed
