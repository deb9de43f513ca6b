"""How many more runs may start within the period of a job's `rateLimit`.

The starts themselves are looked back at, by their times in the log: at most as many as the limit
says, the last ones first, in an index of nothing else. So nothing is forgotten at a restart, and
nobody refills anything.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta

import orjson
from typing_extensions import ReadOnly, TypedDict

from domain.clock import from_iso, to_iso
from domain.jobs.limits.rate_limit import RateLimit
from domain.json_values import JsonObject
from projections.rows import Connection, read_rows
from projections.runs.candidates.candidate import Candidate, Key, rate_key_of
from projections.runs.limits import Room, Rooms

_LAST_RUNS = """
    SELECT last_start_at, starts FROM job_runs
    WHERE job_definition_id = asked.job_id AND rate_value = asked.value
      AND last_start_at > asked.since AND last_start_at IS NOT NULL
    ORDER BY last_start_at DESC LIMIT asked.most
"""
"""A run of which the last start is not among the last so many has none that is."""

_EARLIER_STARTS = """
    SELECT told::timestamptz AS at FROM jsonb_array_elements_text(starts - -1) AS told
    WHERE jsonb_array_length(starts) > 1 AND told::timestamptz > asked.since
"""

STARTED = f"""
    SELECT asked.job_id, asked.value, started.number, CASE WHEN number >= most THEN (
        SELECT at FROM ({_LAST_RUNS}) AS run CROSS JOIN LATERAL (
            SELECT last_start_at AS at UNION ALL {_EARLIER_STARTS}
        ) AS start
        ORDER BY at DESC OFFSET most - 1 LIMIT 1
    ) END AS first_at
    FROM (
        SELECT job_id, value, most, (
            SELECT coalesce(nullif(%(now)s::text, ''), current_setting('apphub.now', true))
        )::timestamptz - period_ms * interval '1 millisecond' AS since
        FROM json_to_recordset((SELECT %(asked)s::json))
            AS one (job_id uuid, value text, most integer, period_ms bigint)
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
before `conditions.PRESENT`. Where that is as many as may be, or more, the first of the last so many
is looked for, too."""


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

    async def ask_keys(
        self, connection: Connection, limits: Mapping[Key, RateLimit]
    ) -> None:
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
    """Return what `STARTED` is asked with, as of `conditions.PRESENT`."""
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
        over = [key for key, until in self._until.items() if until <= now]
        for key in over:
            del self._until[key]
        return {key: Room(0, until) for key, until in self._until.items()}

    def reopening(self) -> list[str]:
        """Return the moments at which one of them reopens."""
        return list(self._until.values())
