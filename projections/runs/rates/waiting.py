"""The first due runs of a job whose starts are limited, past the many that must wait.

Each value that runs of it wait by is looked at by itself, so it does not matter how many wait by
one that is full. Only a job of which thousands of values wait is read from its front for as long as
it takes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from typing_extensions import ReadOnly

from domain.jobs.limits.rate_limit import RateLimit
from projections.job_runs import IS_PENDING
from projections.rows import Connection, read_rows, read_texts
from projections.runs.candidates.candidate import Candidate, JobLimits
from projections.runs.candidates.conditions import DUE, IN_ORDER, SHOWN, behind_a_place
from projections.runs.limits import Limits
from projections.runs.rates.rooms import KnownRooms

VALUES = f"""
    WITH RECURSIVE waiting (value) AS (
        (SELECT rate_value FROM job_runs
         WHERE {IS_PENDING} AND job_definition_id = %(job_id)s AND rate_value IS NOT NULL
         ORDER BY rate_value LIMIT 1)
        UNION ALL
        SELECT next.* FROM waiting CROSS JOIN LATERAL (
            SELECT rate_value FROM job_runs
            WHERE {IS_PENDING} AND job_definition_id = %(job_id)s
              AND rate_value > value
            ORDER BY rate_value LIMIT 1
        ) AS next
    )
    SELECT value FROM waiting LIMIT %(most)s
"""
"""The values by which runs of a job wait."""

_FREE = f"""
    {DUE} AND job_definition_id = %(job_id)s
      AND NOT coalesce(concurrency_value = ANY(%(taken)s::text[]), false)
      AND NOT id = ANY(%(found)s::uuid[])
"""

FIRST_OF_VALUES = f"""
    {SHOWN} FROM unnest(%(open)s::text[]) AS waiting (value) CROSS JOIN LATERAL (
        {_FREE} AND rate_value >= waiting.value AND rate_value <= waiting.value
        ORDER BY rate_value, priority DESC, scheduled_at, id LIMIT %(limit)s
    ) AS run
"""
"""A range of one value: an equality would let PostgreSQL walk the queue in search of the value."""

_NOT_FULL = f"{_FREE} AND NOT coalesce(rate_value = ANY(%(full)s::text[]), false)"

NOT_FULL = f"{SHOWN} FROM ({_NOT_FULL} {IN_ORDER} LIMIT %(limit)s) AS run"

NOT_FULL_BEHIND = f"{SHOWN} FROM ({behind_a_place(_NOT_FULL)}) AS run"


class WaitingJob(JobLimits):
    """A job of which a run waits."""

    job_id: ReadOnly[str]


@dataclass(frozen=True)
class RatedJob:
    """A job whose starts are limited, and how many of its runs may run at a time."""

    id: str
    rate: RateLimit
    most: int | None
    of_key: int


def rated_job(job: WaitingJob) -> RatedJob | None:
    """Return a job as one whose starts are limited, None where they are not."""
    rate = RateLimit.from_json(job["rate_limit"])
    if rate is None:
        return None
    of_key = job["concurrency_limit"] or 1
    return RatedJob(job["job_id"], rate, job["max_concurrent_runs"], of_key)


class Rated:
    """One look at jobs whose starts are limited, under the lock."""

    def __init__(
        self,
        connection: Connection,
        values: Mapping[str, object],
        limits: Limits,
        rooms: KnownRooms,
    ) -> None:
        """Begin.

        Args:
            connection: which has the lock.
            values: what the conditions of a claim need, and perhaps a place to begin behind.
            limits: what the runs under way leave to others; it looks into `rooms`.
            rooms: those that are known; what is asked for is added.
        """
        self._connection = connection
        self._values = values
        self._limits = limits
        self._rooms = rooms

    async def first_of(
        self, job: RatedJob, limit: int, most_values: int
    ) -> list[Candidate]:
        """Return the job's first runs that may start; all of them, if they are below the limit.

        Args:
            job: which one.
            limit: how many are wanted.
            most_values: how many values are looked at one by one.
        """
        open_values = await self._open_values(job, most_values)
        wanted = self._limits.room_in_job(job.id, job.most, limit)
        values = {**self._values, "job_id": job.id, "limit": max(wanted, 1)}
        held = self._limits.held_values(job.id, job.of_key)
        found: list[Candidate] = []
        query = self._query_for(open_values)
        while self._limits.admitted(found) < wanted:
            used_up_keys = self._limits.used_up(found)
            used_up_rates = self._limits.used_up_rates(found)
            full = self._full_values(job)
            full.update(used_up_rates)
            values["taken"] = [*held, *used_up_keys]
            values["found"] = [run["id"] for run in found]
            values["full"] = list(full)
            if open_values is not None:
                values["open"] = [one for one in open_values if one not in full]
            more = await read_rows(self._connection, Candidate, query, values)
            if not more:
                break
            await self._rooms.ask(self._connection, more)
            found += more
        return found

    def _query_for(self, open_values: Sequence[str] | None) -> str:
        if open_values is not None:
            return FIRST_OF_VALUES
        if "priority" in self._values:
            return NOT_FULL_BEHIND
        return NOT_FULL

    async def _open_values(
        self, job: RatedJob, most_values: int
    ) -> Sequence[str] | None:
        """Return the values by which more runs may start; None where there are too many values."""
        if "priority" in self._values:
            return None
        asked = {"job_id": job.id, "most": most_values + 1}
        waiting = await read_texts(self._connection, VALUES, asked)
        if len(waiting) > most_values:
            return None
        keys = {(job.id, value): job.rate for value in waiting}
        await self._rooms.ask_keys(self._connection, keys)
        known = self._rooms.known
        return [value for value in waiting if known[job.id, value].left > 0]

    def _full_values(self, job: RatedJob) -> set[str]:
        full: set[str] = set()
        for (owner, value), room in self._rooms.known.items():
            if owner == job.id and not room.left:
                full.add(value)
        return full
