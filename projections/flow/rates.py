"""How many more runs may start within the period of a job's `rateLimit`.

First the capacity that is left, then the first due runs of a job whose starts are limited, past the
many that must wait.

The recorded starts themselves are counted, by their times in the log: at most as many as the limit
says, the last ones first, in an index of nothing else. So a restart forgets nothing, and no counter
has to be refilled.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import orjson
from typing_extensions import ReadOnly, TypedDict

from domain.clock import from_iso, to_iso
from domain.jobs.definition import RateLimit
from domain.json_values import JsonObject
from projections.flow.candidates import (
    DUE,
    IN_ORDER,
    SHOWN,
    Candidate,
    JobLimits,
    Key,
    behind_a_place,
    rate_key_of,
)
from projections.flow.limits import Limits, Room, Rooms
from projections.job_runs import IS_PENDING
from projections.rows import Connection, read_rows, read_texts

_LAST_RUNS = """
    SELECT last_start_at, starts FROM job_runs
    WHERE job_definition_id = asked.job_id AND rate_value = asked.value
      AND last_start_at > asked.since AND last_start_at <= asked.until
      AND last_start_at IS NOT NULL
    ORDER BY last_start_at DESC LIMIT asked.most
"""
"""A run of which the last start is not among the last so many has none that is."""

_EARLIER_STARTS = """
    SELECT told::timestamptz AS at FROM jsonb_array_elements_text(starts - -1) AS told
    WHERE jsonb_array_length(starts) > 1
      AND told::timestamptz > asked.since AND told::timestamptz <= asked.until
"""

STARTED = f"""
    SELECT asked.job_id, asked.value, started.number, CASE WHEN number >= most THEN (
        SELECT at FROM ({_LAST_RUNS}) AS run CROSS JOIN LATERAL (
            SELECT last_start_at AS at UNION ALL {_EARLIER_STARTS}
        ) AS start
        ORDER BY at DESC OFFSET most - 1 LIMIT 1
    ) END AS first_at
    FROM (
        SELECT job_id, value, most, now - period AS since, now + period AS until
        FROM (
            SELECT job_id, value, most, period_ms * interval '1 millisecond' AS period, (
                SELECT coalesce(nullif(%(now)s::text, ''), current_setting('apphub.now', true))
            )::timestamptz AS now
            FROM json_to_recordset((SELECT %(asked)s::json))
                AS one (job_id uuid, value text, most integer, period_ms bigint)
        ) AS given
    ) AS asked
    CROSS JOIN LATERAL (
        SELECT count(*) + coalesce(sum(earlier), 0)::int AS number FROM (
            SELECT CASE WHEN jsonb_array_length(starts) > 1
                THEN (SELECT count(*) FROM ({_EARLIER_STARTS}) AS start) END AS earlier
            FROM ({_LAST_RUNS}) AS run
        ) AS run
    ) AS started
"""
"""How many starts of each of some groups there were within its period before a moment; without one,
before `candidates.PRESENT`. Where that is as many as may be, or more, the first of the last so many
is looked for, too.

Starts that lie ahead, for the clock was set back since, count as well, unless they do by more than
the period: so such a step costs one period at most, in either direction."""


class StartedRow(TypedDict):
    """How many starts of a group there were, and when the first was of those that fill its room."""

    job_id: ReadOnly[str]
    value: ReadOnly[str]
    number: ReadOnly[int]
    first_at: ReadOnly[str | None]


class KnownRooms:
    """The rooms that are known, as of one moment.

    Under the lock they are exact until the next start is appended.

    Attributes:
        now: the moment.
        known: by group; where nothing is known, nothing is there.
    """

    def __init__(self, now: str, shut: "Shut | None" = None) -> None:
        """Begin with the groups that are known to be full, if somebody remembers any."""
        self.now = now
        self.known: dict[Key, Room] = {}
        if shut is not None:
            self.known = shut.rooms(now)

    async def ask(self, connection: Connection, runs: Iterable[Candidate]) -> None:
        """Ask for the rooms of all that these runs count with."""
        limits = limits_of_starts(runs)
        await self.ask_keys(connection, limits)

    async def ask_keys(self, connection: Connection, limits: Mapping[Key, RateLimit]) -> None:
        """Ask for the rooms of groups with these limits, unless they are known."""
        missing = self.unknown(limits)
        if not missing:
            return
        values = {**question(missing), "now": self.now}
        rows = await read_rows(connection, StartedRow, STARTED, values)
        self.take(missing, rows)

    def take(self, limits: Mapping[Key, RateLimit], rows: Iterable[StartedRow]) -> None:
        """Take in the answer to `STARTED`, as far as it is of these groups."""
        for row in rows:
            key = (row["job_id"], row["value"])
            limit = limits.get(key)
            if limit is not None:
                self.known[key] = _room(limit, row)

    def unknown(self, limits: Mapping[Key, RateLimit]) -> dict[Key, RateLimit]:
        """Return those of these groups of which the rooms are not known."""
        unknown = [key for key in limits if key not in self.known]
        return {key: limits[key] for key in unknown}


def limits_of_starts(runs: Iterable[Candidate]) -> dict[Key, RateLimit]:
    """Return the limits of all groups that these runs count with."""
    limits: dict[Key, RateLimit] = {}
    of_jobs: dict[str, RateLimit | None] = {}
    for run in runs:
        key = rate_key_of(run)
        if key is None or key in limits:
            continue
        job_id, _ = key
        if job_id not in of_jobs:
            of_jobs[job_id] = RateLimit.from_json(run["rate_limit"])
        limit = of_jobs[job_id]
        if limit is not None:
            limits[key] = limit
    return limits


def question(limits: Mapping[Key, RateLimit]) -> dict[str, str]:
    """Return what `STARTED` is asked with, as of `candidates.PRESENT`."""
    asked: list[JsonObject] = []
    for (job_id, value), limit in limits.items():
        group: JsonObject = {
            "job_id": job_id,
            "value": value,
            "most": limit.limit,
            "period_ms": limit.period // timedelta(milliseconds=1),
        }
        asked.append(group)
    return {"asked": orjson.dumps(asked).decode(), "now": ""}


def _room(limit: RateLimit, row: StartedRow) -> Room:
    left = limit.limit - row["number"]
    first_at = row["first_at"]
    if left > 0 or first_at is None:
        return Room(left)
    reopens_at = from_iso(first_at) + limit.period
    return Room(0, to_iso(reopens_at))


class Shut:
    """Of which groups it is known that nothing may start before some moment.

    Starts only become more, so this stays true until then, unless the job gets other limits.
    """

    def __init__(self) -> None:
        self._until: dict[Key, str] = {}
        self._now = ""

    def note(self, rooms: Rooms) -> None:
        """Remember those that are full."""
        for key, room in rooms.items():
            if room.reopens_at is not None:
                self._until[key] = room.reopens_at

    def forget(self, job_id: str) -> None:
        """Forget a job, which has perhaps other limits now."""
        of_job = [key for key in self._until if key[0] == job_id]
        for key in of_job:
            del self._until[key]

    def rooms(self, now: str) -> dict[Key, Room]:
        """Return the groups that are full at a moment, and forget those that are not any more."""
        if now < self._now:
            self._until.clear()  # The clock was set back: what was full then may reopen before.
        self._now = now
        over = [key for key, until in self._until.items() if until <= now]
        for key in over:
            del self._until[key]
        return {key: Room(0, until) for key, until in self._until.items()}

    def reopening(self) -> list[str]:
        """Return the moments at which one of them reopens."""
        return list(self._until.values())


# The first due runs of a job whose starts are limited, past the many that must wait.
#
# Each value that its runs wait by is looked at by itself, so it does not matter how many wait by a
# value at capacity. Only a job with thousands of waiting values is read from its beginning for as
# long as it takes.

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

    async def first_of(self, job: RatedJob, limit: int, most_values: int) -> list[Candidate]:
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

    async def _open_values(self, job: RatedJob, most_values: int) -> Sequence[str] | None:
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
