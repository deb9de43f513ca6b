"""Archives ended runs as their jobs' retention says; any number of processes may, one at a time.

First which ended runs may be archived, found a page at a time, then `Retainer`. A look costs little
and takes no lock. A process that finds enough for a file takes the archiving lock, and does what
the operator's command does.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from uuid import UUID

from psycopg_pool import AsyncConnectionPool
from typing_extensions import ReadOnly, TypedDict

from domain.clock import from_iso
from domain.jobs.definition import Retention, is_worth_a_file
from domain.json_values import JsonObject
from eventlog.archive.archiver import LAST_SEALED, MAX_EVENTS, ArchivingUnderWayError, archiver
from eventlog.archive.candidates import Candidate, Limits, batch_of
from eventlog.archive.files import ArchiveError
from eventlog.archive.role import ArchivistMissingError
from eventlog.database.connection import Database, borrowed
from eventlog.database.failures import unavailable_told
from projections.job_runs import RunRow
from projections.rows import Connection, read_one, read_rows, read_texts, read_value

# Which ended runs their jobs' retention lets go, found a page at a time.
#
# For each job and status a mark says up to which launch all runs are archived and no further one
# can appear: a look begins there, so runs that were archived long ago cost nothing.

Group = tuple[str, str]
"""A job's id and the status in which runs of it ended."""

NOT_DUE = timedelta(0)

ROWS_A_PAGE = 500


@dataclass(frozen=True)
class RetentionLimits(Limits):
    """What may be archived, by the job and by how the run ended.

    Attributes:
        bounds: the moment before which runs must have ended; those of other groups stay.
    """

    bounds: Mapping[Group, datetime] = field(default_factory=dict)

    def bound_of(self, run: RunRow) -> datetime | None:
        """Return the moment before which this run must have ended; None: it stays."""
        return self.bounds.get((run["job_definition_id"], run["status"]))


class Ended(Candidate):
    """A run that has ended, as the table says."""

    position: ReadOnly[int]
    created_at: ReadOnly[str]
    completed_at: ReadOnly[str]
    is_archived: ReadOnly[bool]


@dataclass
class Sifted:
    """What a page of ended runs of one group comes to.

    Attributes:
        due: those to archive.
        longest_due: for how long the first of them could have been archived.
        archived_to: the place in the order of launches up to which nothing is left; None where the
            very first run is not archived.
        is_end: whether no later run can be due.
    """

    due: list[Candidate] = field(default_factory=list)
    longest_due: timedelta = NOT_DUE
    archived_to: int | None = None
    is_end: bool = False


def sift(
    page: Iterable[Ended], bound: datetime, last_position: int, left: Collection[str]
) -> Sifted:
    """Decide which runs of a page are to be archived.

    Args:
        page: in the order of launches.
        bound: the moment before which they must have ended.
        last_position: what ended later stays.
        left: runs that cannot be archived; they are in nobody's way.
    """
    sifted = Sifted()
    is_unbroken = True
    for run in page:
        if run["is_archived"] or run["id"] in left:
            if is_unbroken:
                sifted.archived_to = run["created_position"]
            continue
        is_unbroken = False
        if from_iso(run["created_at"]) >= bound:
            sifted.is_end = True
            break
        due_for = bound - from_iso(run["completed_at"])
        if due_for > NOT_DUE and run["position"] <= last_position:
            sifted.due.append(run)
            sifted.longest_due = max(sifted.longest_due, due_for)
    return sifted


class _Asking(TypedDict):
    id: ReadOnly[str]
    retention: ReadOnly[JsonObject]


_ASKING = "SELECT id, retention FROM job_definitions WHERE retention IS NOT NULL ORDER BY id"


async def bounds_at(connection: Connection, now: datetime) -> dict[Group, datetime]:
    """Return by group the moment before which runs must have ended to be archived now.

    It is as the present versions of the jobs say, also of those that were deleted.
    """
    bounds: dict[Group, datetime] = {}
    for job in await read_rows(connection, _Asking, _ASKING):
        for status, bound in Retention.from_json(job["retention"]).ended_before(now).items():
            bounds[job["id"], status] = bound
    return bounds


class _Mark(TypedDict):
    mark: ReadOnly[int]
    settled_to: ReadOnly[int]


# No run that was launched up to `settled_to` is going to end any more. `least` passes over NULL.
_MARK = """
    SELECT coalesce((
        SELECT created_position FROM retention_marks
        WHERE job_definition_id = %(job)s AND status = %(status)s
    ), 0) AS mark,
    coalesce(least(
        (SELECT min(created_position) - 1 FROM job_runs
            WHERE job_definition_id = %(job)s AND status = 'pending'),
        (SELECT min(created_position) - 1 FROM job_runs
            WHERE job_definition_id = %(job)s AND status = 'running'),
        (SELECT max(created_position) FROM job_runs WHERE job_definition_id = %(job)s)
    ), 0) AS settled_to
"""

_SAVE_MARK = """
    INSERT INTO retention_marks AS kept (job_definition_id, status, created_position)
    VALUES (%(job)s, %(status)s, %(mark)s)
    ON CONFLICT (job_definition_id, status) DO UPDATE
    SET created_position = greatest(kept.created_position, excluded.created_position)
"""

_PAGE = f"""
    SELECT run.*,
        EXISTS (SELECT FROM archived_runs WHERE archived_runs.id = run.id) AS is_archived
    FROM (
        SELECT id, created_position, position, created_at, completed_at FROM job_runs
        WHERE job_definition_id = %(job)s AND status = %(status)s
          AND created_position > %(after)s
        ORDER BY created_position LIMIT {ROWS_A_PAGE}
    ) AS run
    ORDER BY created_position
"""
"""Whether they are archived is asked of so many only. Were it asked beside the limit, PostgreSQL
might take it for a question about all that match, and read the whole index of archives."""


class Place:
    """How far a walk through the runs of one group has come.

    Attributes:
        took_s: for how long somebody has looked at them.
    """

    def __init__(self, group: Group, mark: _Mark) -> None:
        self.took_s = 0.0
        self._values = {"job": group[0], "status": group[1]}
        self._after = mark["mark"]
        self._archived_to = mark["mark"]
        self._saved = mark["mark"]
        self._settled_to = mark["settled_to"]

    @classmethod
    async def begin(cls, connection: Connection, group: Group) -> "Place":
        """Begin where nothing is left before."""
        mark = await read_one(connection, _Mark, _MARK, {"job": group[0], "status": group[1]})
        return cls(group, mark)

    async def next_page(self, connection: Connection) -> Sequence[Ended]:
        """Return the next runs in the order of launches."""
        values: dict[str, object] = {**self._values, "after": self._after}
        return await read_rows(connection, Ended, _PAGE, values)

    def pass_over(self, page: Sequence[Ended], sifted: Sifted) -> None:
        """Go on behind a page."""
        is_unbroken = self._archived_to == self._after
        if is_unbroken and sifted.archived_to is not None:
            self._archived_to = sifted.archived_to
        if page:
            self._after = page[-1]["created_position"]

    @property
    def mark(self) -> int:
        """Up to where nothing is left, nor can come to be."""
        return min(self._archived_to, self._settled_to)

    async def save(self, connection: Connection) -> None:
        """Keep the mark if it has moved."""
        if self.mark <= self._saved:
            return
        await connection.execute(_SAVE_MARK, {**self._values, "mark": self.mark})
        self._saved = self.mark


logger = logging.getLogger(__name__)

LOOK_EVERY_S = 600.0
"""Retention is said in days: minutes do not matter."""

GO_ON_AFTER_S = 1.0
"""While there is more to look at."""

MOST_RUNS = 20_000
"""Runs that are proposed for a file; the rest is for the next one."""

MOST_PAGES = 40
"""Pages of one job and status that a look reads; the next one goes on there. So a look is short
even where a run that is planned for long from now keeps the mark back."""


REST = 100
"""Times what a walk through all runs of a job and status took, before the next one begins. Where a
run that is planned for long from now keeps the mark back, each walk reads all that was archived
since: so that takes a hundredth of the time at most, of however many runs."""

LONGEST_REST_S = 21_600.0
"""A quarter of the day by which a run may be late, also where a walk was slow for other reasons."""


@dataclass(frozen=True)
class Archiving:
    """How a process archives.

    Attributes:
        make_role: whether to make the archivist's role if it is missing.
    """

    make_role: bool


@dataclass
class _Look:
    """What was found to archive.

    Attributes:
        longest_due: for how long the first of the runs could have been archived.
    """

    limits: RetentionLimits
    runs: list[Candidate] = field(default_factory=list)
    longest_due: timedelta = NOT_DUE

    @property
    def is_full(self) -> bool:
        return len(self.runs) >= MOST_RUNS

    def add(self, sifted: Sifted) -> None:
        self.runs += sifted.due
        self.longest_due = max(self.longest_due, sifted.longest_due)

    @property
    def is_worth_a_file(self) -> bool:
        return is_worth_a_file(len(self.runs), self.longest_due)


class Retainer:
    """Archives what jobs no longer keep in the database."""

    def __init__(
        self,
        database: Database,
        pool: AsyncConnectionPool[Connection],
        clock: Callable[[], datetime],
        how: Archiving | None,
    ) -> None:
        """Archive for this log.

        Args:
            database: the log; its files say where the archive is.
            pool: connections for looks.
            clock: by which runs are old.
            how: None where this process is not sure that all others find what it archives.
        """
        self._database = database
        self._pool = pool
        self._clock = clock
        self._how = how
        self._left: set[str] = set()
        self._places: dict[Group, Place] = {}
        self._rests_until_s: dict[Group, float] = {}
        self._has_told = False

    def forget(self) -> None:
        """Begin at the marks: the log may be another one."""
        self._left.clear()
        self._rests_until_s.clear()
        # Another one, for a look may be under way that puts its places back.
        self._places = {}

    async def keep_up(self) -> float:
        """Archive what is due, if it is worth a file; return after how many seconds to come again.

        Raises:
            LogUnavailableError: the database is away.
        """
        if self._how is None:
            await self._tell_once()
            return LOOK_EVERY_S
        async with borrowed(self._pool) as connection:
            look = await self._look(connection)
        if look.is_worth_a_file:
            has_written = await self._try_to_archive(self._how, look)
            return GO_ON_AFTER_S if has_written else LOOK_EVERY_S
        return GO_ON_AFTER_S if self._places else LOOK_EVERY_S

    async def _try_to_archive(self, how: Archiving, look: _Look) -> bool:
        """Return whether a file was written; if nothing can be, the log of the process says why."""
        try:
            with unavailable_told():
                return await self._archive(how, look)
        except ArchivingUnderWayError:
            return False
        except (ArchivistMissingError, ArchiveError, OSError) as error:
            logger.warning("cannot archive the runs that jobs let go: %s", error)
            return False

    async def _tell_once(self) -> None:
        if self._has_told:
            return
        async with borrowed(self._pool) as connection:
            bounds = await bounds_at(connection, self._clock())
        if bounds:
            logger.warning(
                "jobs have a retention, but this process archives nothing: with a database of"
                " your own, name one archive directory for all processes by --archive"
            )
            self._has_told = True

    async def _archive(self, how: Archiving, look: _Look) -> bool:
        """Write a file, holding the lock; return whether there is one."""
        async with archiver(self._database, make_role=how.make_role) as opened:
            connection = opened.connection
            ids = [UUID(run["id"]) for run in look.runs]
            if await read_texts(connection, _ARCHIVED_MEANWHILE, {"ids": ids}):
                return False
            await _check_directory(connection, self._database.files.archive)
            batch = await batch_of(connection, look.runs, look.limits, MAX_EVENTS)
            self._left.update(str(run_id) for run_id in batch.left)
            if not batch.runs:
                return False
            written = await opened.write(batch, look.limits, lambda _: None)
        logger.info(
            "archived %d events of %d runs in %s, as their jobs' retention says",
            written.events,
            written.runs,
            written.file,
        )
        return True

    async def _look(self, connection: Connection) -> _Look:
        """Find what may be archived now; pages are read one by one, each by itself."""
        now = self._clock()
        bounds = await bounds_at(connection, now)
        last_position = await read_value(connection, int, LAST_SEALED)
        look = _Look(RetentionLimits(max(bounds.values(), default=now), last_position, bounds))
        for group in bounds:
            if look.is_full:
                break
            await self._look_at(connection, group, look)
        return look

    async def _look_at(self, connection: Connection, group: Group, look: _Look) -> None:
        began_s = monotonic()
        if began_s < self._rests_until_s.get(group, 0.0):
            return
        places = self._places
        place = places.pop(group, None)
        if place is None:
            place = await Place.begin(connection, group)
        limits = look.limits
        bound = limits.bounds[group]
        is_end = False
        pages = 0
        while not (is_end or look.is_full or pages == MOST_PAGES):
            page = await place.next_page(connection)
            sifted = sift(page, bound, limits.last_position, self._left)
            place.pass_over(page, sifted)
            look.add(sifted)
            is_end = sifted.is_end or not page
            pages += 1
        await place.save(connection)
        now_s = monotonic()
        place.took_s += now_s - began_s
        if is_end:
            self._rests_until_s[group] = now_s + min(REST * place.took_s, LONGEST_REST_S)
        else:
            places[group] = place


_ARCHIVED_MEANWHILE = "SELECT id FROM archived_runs WHERE id = ANY(%(ids)s) LIMIT 1"

_NEWEST_FILE = "SELECT file FROM log_archives ORDER BY number DESC LIMIT 1"


async def _check_directory(connection: Connection, directory: Path | None) -> None:
    """Make sure that it is the directory into which others archive.

    Raises:
        ArchiveError: what was archived last is not there.
    """
    for file in await read_texts(connection, _NEWEST_FILE):
        if directory is None or not await asyncio.to_thread((directory / file).exists):
            raise ArchiveError(
                file,
                f"is not in {directory}: so this is not where others archive, or it is not"
                " mounted; nothing was archived",
            )
