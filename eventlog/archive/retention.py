"""Archives ended runs as their jobs' retention says; one process archives at a time.

First the selection of ended runs, page by page (`GroupScan`), then the `RetentionArchiver`. A scan
costs little and takes no lock. A process that has selected enough runs for a file takes the
archiving lock, and does what the operator's command does.
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
from domain.jobs.policies import Retention
from domain.json_values import JsonObject
from eventlog.archive.archiver import LAST_SEALED, MAX_EVENTS, ArchivingUnderWayError, archiver
from eventlog.archive.candidates import Candidate, Limits, batch_of
from eventlog.archive.files import ArchiveError
from eventlog.archive.role import ArchivistMissingError
from eventlog.database.connection import Database, borrowed
from eventlog.database.failures import raise_unavailable
from projections.job_runs import RunRow
from projections.rows import Connection, read_one, read_rows, read_texts, read_value
from runtime.text import pluralize

# The ended runs that their jobs' retention no longer keeps, selected page by page.
#
# For each job and status, a mark is the position of a launch: all runs up to it are archived, and
# no other such run can appear before it. A scan begins there, so that runs that were archived long
# ago cost nothing.

Group = tuple[str, str]
"""A job's id and the status in which runs of it ended."""

NOT_DUE = timedelta(0)

ROWS_A_PAGE = 500


@dataclass(frozen=True)
class RetentionLimits(Limits):
    """Limits of archiving, by job and final status.

    Attributes:
        bounds: by group, the time before which runs must have ended; those of other groups stay.
    """

    bounds: Mapping[Group, datetime] = field(default_factory=dict)

    def bound_of(self, run: RunRow) -> datetime | None:
        """Return the time before which this run must have ended; None: it is kept."""
        return self.bounds.get((run["job_definition_id"], run["status"]))


class EndedRun(Candidate):
    """A run that has ended according to its row."""

    position: ReadOnly[int]
    created_at: ReadOnly[str]
    completed_at: ReadOnly[str]
    is_archived: ReadOnly[bool]


@dataclass
class PageSelection:
    """The runs of a page that are due for archiving.

    Attributes:
        due: the runs.
        longest_due: how long ago the first of them became due.
        archived_to: position of the last launch up to which all runs are archived; None if the
            page's first run is not.
        is_end: whether no later run can be due.
    """

    due: list[Candidate] = field(default_factory=list)
    longest_due: timedelta = NOT_DUE
    archived_to: int | None = None
    is_end: bool = False


def select_due(
    page: Iterable[EndedRun], bound: datetime, last_position: int, skipped: Collection[str]
) -> PageSelection:
    """Select the runs of a page that are due for archiving.

    Args:
        page: runs of one group, in the order of their launches.
        bound: the time before which they must have ended.
        last_position: the last position that may be archived; runs that ended later are kept.
        skipped: ids of runs that cannot be archived.
    """
    selection = PageSelection()
    is_unbroken = True
    for run in page:
        if run["is_archived"] or run["id"] in skipped:
            if is_unbroken:
                selection.archived_to = run["created_position"]
            continue
        is_unbroken = False
        if from_iso(run["created_at"]) >= bound:
            selection.is_end = True
            break
        due_for = bound - from_iso(run["completed_at"])
        if due_for > NOT_DUE and run["position"] <= last_position:
            selection.due.append(run)
            selection.longest_due = max(selection.longest_due, due_for)
    return selection


class _RetentionRow(TypedDict):
    id: ReadOnly[str]
    retention: ReadOnly[JsonObject]


_RETENTIONS = "SELECT id, retention FROM job_definitions WHERE retention IS NOT NULL ORDER BY id"


async def bounds_at(connection: Connection, now: datetime) -> dict[Group, datetime]:
    """Return, by group, the time before which runs must have ended to be archived now.

    Each job's current version decides, even if the job is deleted.
    """
    bounds: dict[Group, datetime] = {}
    for job in await read_rows(connection, _RetentionRow, _RETENTIONS):
        for status, bound in Retention.from_json(job["retention"]).ended_before(now).items():
            bounds[job["id"], status] = bound
    return bounds


class _Mark(TypedDict):
    mark: ReadOnly[int]
    settled_to: ReadOnly[int]


# All runs that were launched up to `settled_to` have ended. `least` ignores NULL.
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
"""Archives are looked up outside the subquery with the limit, so only for the page's runs. Inside
it, PostgreSQL might look them up for all runs of the group, and read the whole index of
archives."""


class GroupScan:
    """A scan of the runs of one group.

    Attributes:
        took_s: the seconds that it has taken so far.
    """

    def __init__(self, group: Group, mark: _Mark) -> None:
        self.took_s = 0.0
        self._values = {"job": group[0], "status": group[1]}
        self._after = mark["mark"]
        self._archived_to = mark["mark"]
        self._saved = mark["mark"]
        self._settled_to = mark["settled_to"]

    @classmethod
    async def begin(cls, connection: Connection, group: Group) -> "GroupScan":
        """Begin at the group's mark."""
        mark = await read_one(connection, _Mark, _MARK, {"job": group[0], "status": group[1]})
        return cls(group, mark)

    async def next_page(self, connection: Connection) -> Sequence[EndedRun]:
        """Return the next runs in the order of launches."""
        values: dict[str, object] = {**self._values, "after": self._after}
        return await read_rows(connection, EndedRun, _PAGE, values)

    def advance(self, page: Sequence[EndedRun], selection: PageSelection) -> None:
        """Continue after a page."""
        is_unbroken = self._archived_to == self._after
        if is_unbroken and selection.archived_to is not None:
            self._archived_to = selection.archived_to
        if page:
            self._after = page[-1]["created_position"]

    @property
    def mark(self) -> int:
        """The position up to which all runs are archived, and no other can appear before it."""
        return min(self._archived_to, self._settled_to)

    async def save(self, connection: Connection) -> None:
        """Store the mark if it has moved."""
        if self.mark <= self._saved:
            return
        await connection.execute(_SAVE_MARK, {**self._values, "mark": self.mark})
        self._saved = self.mark


logger = logging.getLogger(__name__)

SCAN_EVERY_S = 600.0
"""Retention is in days: minutes do not matter."""

CONTINUE_AFTER_S = 1.0
"""While there are more runs to scan."""

MAX_RUNS = 20_000
"""Runs that are proposed for a file; the rest are for the next one."""

MAX_PAGES = 40
"""Pages of one group that are read at a time; the next call continues there. So a call is short
even if a run that is scheduled far ahead holds the mark back."""

REST_FACTOR = 100
"""After a complete scan of a group, the next one begins after this many times its duration, so that
scans take at most a hundredth of the time: if a run that is scheduled far ahead holds the mark
back, each scan reads all runs that were archived since."""

MAX_REST_S = 21_600.0
"""The longest such rest, however slow the scan: a quarter of the day by which archiving may be
late."""


@dataclass(frozen=True)
class Archiving:
    """Settings of a process that archives.

    Attributes:
        make_role: whether to create the archivist's role if it is missing.
    """

    make_role: bool


@dataclass
class _Selection:
    """The runs of all groups that a call has selected.

    Attributes:
        limits: limits of archiving, as of the call.
        runs: the selected runs.
        longest_due: how long ago the first of them became due.
    """

    limits: RetentionLimits
    runs: list[Candidate] = field(default_factory=list)
    longest_due: timedelta = NOT_DUE

    @property
    def is_full(self) -> bool:
        return len(self.runs) >= MAX_RUNS

    def add(self, selection: PageSelection) -> None:
        self.runs += selection.due
        self.longest_due = max(self.longest_due, selection.longest_due)


ENOUGH_RUNS = 5_000
"""This number of runs makes a file of about a megabyte, whose fixed cost no longer matters."""

MAX_WAIT = timedelta(days=1)
"""Fewer runs wait this long for others: a service with few runs writes one file a day at most."""


def is_worth_a_file(runs: int, longest_due: timedelta) -> bool:
    """Return whether runs that may be archived are to be archived now.

    Args:
        runs: how many there are.
        longest_due: for how long the first of them has been waiting for its archive.
    """
    if runs == 0:
        return False
    return runs >= ENOUGH_RUNS or longest_due >= MAX_WAIT


class RetentionArchiver:
    """Archives the ended runs that jobs no longer keep in the database."""

    def __init__(
        self,
        database: Database,
        pool: AsyncConnectionPool[Connection],
        clock: Callable[[], datetime],
        settings: Archiving | None,
    ) -> None:
        """Archive runs of this log.

        Args:
            database: the log; its files name the archive's directory.
            pool: connections for scans.
            clock: the time by which the age of runs is measured.
            settings: None archives nothing, since other processes may have another directory.
        """
        self._database = database
        self._pool = pool
        self._clock = clock
        self._settings = settings
        self._skipped: set[str] = set()
        self._scans: dict[Group, GroupScan] = {}
        self._rests_until_s: dict[Group, float] = {}
        self._has_warned = False
        self._backlog = (0, 0.0)

    @property
    def backlog(self) -> tuple[int, float]:
        """The number of runs that were due at the last scan, and the seconds since the first was.

        Both are 0 in a process that archives nothing.
        """
        return self._backlog

    def forget(self) -> None:
        """Begin at the marks again: the log may have been replaced."""
        self._skipped.clear()
        self._rests_until_s.clear()
        # A new dictionary, for a scan under way adds itself to the old one.
        self._scans = {}

    async def archive_due_runs(self) -> float:
        """Archive the due runs if they are worth a file; return the seconds until the next call.

        Raises:
            LogUnavailableError: the database is away.
        """
        if self._settings is None:
            await self._warn_once()
            return SCAN_EVERY_S
        async with borrowed(self._pool) as connection:
            selection = await self._scan(connection)
        self._backlog = (len(selection.runs), selection.longest_due.total_seconds())
        if is_worth_a_file(len(selection.runs), selection.longest_due):
            has_written = await self._try_to_archive(self._settings, selection)
            return CONTINUE_AFTER_S if has_written else SCAN_EVERY_S
        return CONTINUE_AFTER_S if self._scans else SCAN_EVERY_S

    async def _try_to_archive(self, settings: Archiving, selection: _Selection) -> bool:
        """Archive the runs; return whether a file was written, and log why it cannot be."""
        try:
            with raise_unavailable():
                return await self._archive(settings, selection)
        except ArchivingUnderWayError:
            return False
        except (ArchivistMissingError, ArchiveError, OSError) as error:
            logger.warning("cannot archive the runs that jobs no longer keep: %s", error)
            return False

    async def _warn_once(self) -> None:
        if self._has_warned:
            return
        async with borrowed(self._pool) as connection:
            bounds = await bounds_at(connection, self._clock())
        if bounds:
            logger.warning(
                "jobs have a retention, but this process archives nothing: with a database of"
                " your own, name one archive directory for all processes by --archive"
            )
            self._has_warned = True

    async def _archive(self, settings: Archiving, selection: _Selection) -> bool:
        """Archive the runs under the archiving lock; return whether a file was written."""
        async with archiver(self._database, make_role=settings.make_role) as log_archiver:
            connection = log_archiver.connection
            ids = [UUID(run["id"]) for run in selection.runs]
            if await read_texts(connection, _ARCHIVED_SINCE, {"ids": ids}):
                return False
            await _check_directory(connection, self._database.files.archive)
            batch = await batch_of(connection, selection.runs, selection.limits, MAX_EVENTS)
            self._skipped.update(str(run_id) for run_id in batch.skipped)
            if not batch.runs:
                return False
            file = await log_archiver.write(batch, selection.limits, lambda _: None)
        logger.info(
            "archived %s of %s in %s, as their jobs' retention says",
            pluralize(file.events, "event"),
            pluralize(file.runs, "run"),
            file.file,
        )
        return True

    async def _scan(self, connection: Connection) -> _Selection:
        """Select the runs that may be archived now, page by page."""
        now = self._clock()
        bounds = await bounds_at(connection, now)
        last_position = await read_value(connection, int, LAST_SEALED)
        selection = _Selection(
            RetentionLimits(max(bounds.values(), default=now), last_position, bounds)
        )
        for group in bounds:
            if selection.is_full:
                break
            await self._scan_group(connection, group, selection)
        return selection

    async def _scan_group(
        self, connection: Connection, group: Group, selection: _Selection
    ) -> None:
        """Scan some pages of a group, and add the runs that are due to the result."""
        began_s = monotonic()
        if began_s < self._rests_until_s.get(group, 0.0):
            return
        scans = self._scans
        scan = scans.pop(group, None)
        if scan is None:
            scan = await GroupScan.begin(connection, group)
        limits = selection.limits
        bound = limits.bounds[group]
        is_end = False
        pages = 0
        while not (is_end or selection.is_full or pages == MAX_PAGES):
            page = await scan.next_page(connection)
            page_selection = select_due(page, bound, limits.last_position, self._skipped)
            scan.advance(page, page_selection)
            selection.add(page_selection)
            is_end = page_selection.is_end or not page
            pages += 1
        await scan.save(connection)
        now_s = monotonic()
        scan.took_s += now_s - began_s
        if is_end:
            self._rests_until_s[group] = now_s + min(REST_FACTOR * scan.took_s, MAX_REST_S)
        else:
            scans[group] = scan


_ARCHIVED_SINCE = "SELECT id FROM archived_runs WHERE id = ANY(%(ids)s) LIMIT 1"

_NEWEST_FILE = "SELECT file FROM log_archives ORDER BY number DESC LIMIT 1"


async def _check_directory(connection: Connection, directory: Path | None) -> None:
    """Check that other processes archive into the same directory.

    Raises:
        ArchiveError: the newest archive is not there.
    """
    for file in await read_texts(connection, _NEWEST_FILE):
        if directory is None or not await asyncio.to_thread((directory / file).exists):
            raise ArchiveError(
                file,
                f"is not in {directory}: other processes archive into another directory, or it is"
                " not mounted; nothing was archived",
            )
