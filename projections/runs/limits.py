"""Limits of concurrency, and which of some due runs they let start."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict


class Limited(TypedDict):
    """A job that may not run as often as one likes, and how many of its runs are under way."""

    id: ReadOnly[str]
    max_concurrent_runs: ReadOnly[int]
    running: ReadOnly[int]


class Candidate(TypedDict):
    """A due run; `key_runs` tells whether another one holds its concurrency key."""

    id: ReadOnly[str]
    job_definition_id: ReadOnly[str]
    concurrency_value: ReadOnly[str | None]
    priority: ReadOnly[int]
    scheduled_at: ReadOnly[str]
    key_runs: ReadOnly[bool]


class Limits:
    """How much of each job's concurrency is left, as the claim goes along."""

    def __init__(self, limited: Sequence[Limited]) -> None:
        self._left = {
            job["id"]: job["max_concurrent_runs"] - job["running"] for job in limited
        }
        self._taken: set[tuple[str, str]] = set()

    def is_full(self, job_id: str) -> bool:
        """Return whether no run of the job may start any more."""
        return self._left.get(job_id, 1) <= 0

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
        key = run["concurrency_value"]
        if run["key_runs"] or self.is_full(job):
            return False
        if key is not None:
            if (job, key) in self._taken:
                return False
            self._taken.add((job, key))
        if job in self._left:
            self._left[job] -= 1
        return True
