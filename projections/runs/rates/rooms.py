"""How many more runs may start within the period of a job's `rateLimit`.

The starts themselves are looked back at, by their times in the log: at most as many as the limit
says, the last ones first, in an index of nothing else. So nothing is forgotten at a restart, and
nobody refills anything.
"""

from collections.abc import Iterable, Mapping

import orjson
from typing_extensions import ReadOnly, TypedDict

from domain.clock import from_iso, to_iso
from domain.jobs.limits.rate_limit import RateLimit
from domain.json_values import JsonObject
from projections.rows import Connection, read_rows
from projections.runs.candidates.candidate import Candidate, Key, rate_key_of
from projections.runs.limits import Room, Rooms

STARTED = """
    SELECT asked.job_id, asked.value, started.number, started.first_at
    FROM json_to_recordset((SELECT %(asked)s::json))
        AS asked (job_id uuid, value text, most integer, since timestamptz)
    CROSS JOIN LATERAL (
        SELECT count(*) AS number, min(at) AS first_at FROM (
            SELECT start.at FROM (
                SELECT starts FROM job_runs
                WHERE job_definition_id = asked.job_id AND rate_value = asked.value
                  AND last_start_at > asked.since AND last_start_at IS NOT NULL
                ORDER BY last_start_at DESC LIMIT asked.most
            ) AS run CROSS JOIN LATERAL (
                SELECT told::timestamptz AS at FROM jsonb_array_elements_text(run.starts) AS told
            ) AS start
            WHERE start.at > asked.since ORDER BY start.at DESC LIMIT asked.most
        ) AS newest
    ) AS started
"""
"""The last starts of each of some groups after a moment. A run of which the last start is not among
the last so many has none that is."""


class _StartedRow(TypedDict):
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
        limits: dict[Key, RateLimit] = {}
        for run in runs:
            key = rate_key_of(run)
            limit = RateLimit.from_json(run["rate_limit"])
            if key is not None and limit is not None:
                limits[key] = limit
        await self.ask_keys(connection, limits)

    async def ask_keys(
        self, connection: Connection, limits: Mapping[Key, RateLimit]
    ) -> None:
        """Ask for the rooms of groups with these limits, unless they are known."""
        asked = [
            _asked(key, limit, self.now)
            for key, limit in limits.items()
            if key not in self.known
        ]
        if not asked:
            return
        values = {"asked": orjson.dumps(asked).decode()}
        for row in await read_rows(connection, _StartedRow, STARTED, values):
            key = (row["job_id"], row["value"])
            limit = limits[key]
            self.known[key] = _room(limit, row)


def _asked(key: Key, limit: RateLimit, now: str) -> JsonObject:
    job_id, value = key
    since = from_iso(now) - limit.period
    return {
        "job_id": job_id,
        "value": value,
        "most": limit.limit,
        "since": to_iso(since),
    }


def _room(limit: RateLimit, row: _StartedRow) -> Room:
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
        for key in [key for key in self._until if key[0] == job_id]:
            del self._until[key]

    def rooms(self, now: str) -> dict[Key, Room]:
        """Return the groups that are full at a moment, and forget those that are not any more."""
        for key in [key for key, until in self._until.items() if until <= now]:
            del self._until[key]
        return {key: Room(0, until) for key, until in self._until.items()}

    def reopening(self) -> list[str]:
        """Return the moments at which one of them reopens."""
        return list(self._until.values())
