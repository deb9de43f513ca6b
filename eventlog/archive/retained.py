"""Which ended runs their jobs' retention lets go, found a page at a time.

Of each job and status a mark says up to where, in the order of launches, all runs are archived and
no other can come to be: a look begins there, so runs that were archived long ago cost nothing.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from typing_extensions import ReadOnly, TypedDict

from domain.clock import from_iso
from domain.jobs.limits.retention import Retention
from domain.json_values import JsonObject
from eventlog.archive.candidates import Candidate, Limits
from projections.job_runs import RunRow
from projections.rows import Connection, read_one, read_rows

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
        created_at = from_iso(run["created_at"])
        if created_at >= bound:
            sifted.is_end = True
            break
        ended_at = from_iso(run["completed_at"])
        due_for = bound - ended_at
        if due_for > NOT_DUE and run["position"] <= last_position:
            sifted.due.append(run)
            sifted.longest_due = max(sifted.longest_due, due_for)
    return sifted


class _Asking(TypedDict):
    id: ReadOnly[str]
    retention: ReadOnly[JsonObject]


_ASKING = (
    "SELECT id, retention FROM job_definitions WHERE retention IS NOT NULL ORDER BY id"
)


async def bounds_at(connection: Connection, now: datetime) -> dict[Group, datetime]:
    """Return by group the moment before which runs must have ended to be archived now.

    It is as the present versions of the jobs say, also of those that were deleted.
    """
    bounds: dict[Group, datetime] = {}
    for job in await read_rows(connection, _Asking, _ASKING):
        retention = Retention.from_json(job["retention"])
        for status, bound in retention.ended_before(now).items():
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
        values = {"job": group[0], "status": group[1]}
        mark = await read_one(connection, _Mark, _MARK, values)
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
