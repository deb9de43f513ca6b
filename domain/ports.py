"""What the domain needs of the log. `eventlog` implements it; nothing here knows PostgreSQL."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from domain.identifiers import Slot, Taking
from domain.workers import Isolation

Row = Mapping[str, object]
"""A projection's row in plain JSON: ids and times as text, by column name.

What columns there are, the projections' own types say (`projections.job_runs.RunRow` and so on).
"""


@dataclass(frozen=True)
class Origin:
    """Who caused an event, and why.

    Attributes:
        actor: the principal of a request, `worker:ID`, or `system`.
        correlation_id: shared by all that one request set in motion. None: that of the aggregate's
            history, or, where there is none yet, the cause itself.
        causation_id: the request, or the `event_id` of the event, that led here. None: the
            aggregate's last event.
    """

    actor: str
    correlation_id: UUID | None = None
    causation_id: UUID | None = None


@dataclass
class Unit:
    """Events that are appended together or not at all.

    Never changed. Not frozen, for each append makes one, and that would take three times as long.

    Attributes:
        expects: versions that other aggregates must still have, because the decision was made on
            them.
        heads: positions that the last events of some aggregates must still have, for the decision
            was made on the state after them: a log that went back may have come to the same version
            in another way.
        continues: the aggregate whose correlation id the aggregates share that are created here.
        personal: those parameters of the requested run, the unit's first event, that are personal
            data: each with its subject's name, or with the id of the key that it was encrypted by
            before. They are stored encrypted; the unit is refused like one with an outdated
            `expects` if a subject is erased before it is appended.
        takings: slots that runs of the unit take; it is refused with ValueTakenError unless each is
            free, or had by the run that is to be replaced.
        known_as: ids by which the client can look up the outcome, the most telling one first; empty
            where these are `aggregate_ids`.
        decided_at: the present by which it was decided. Where that is still to come, as the
            database's clock was set back, the unit is refused like one with an outdated `expects`.
        aggregate_ids: whose events these are, each once, in order.
    """

    events: Sequence[StoredEvent]
    origin: Origin
    expects: Mapping[UUID, int] = field(default_factory=dict)
    heads: Mapping[UUID, int] = field(default_factory=dict)
    continues: UUID | None = None
    personal: Mapping[str, str | UUID] = field(default_factory=dict)
    takings: Sequence[Taking] = ()
    known_as: Sequence[str] = ()
    decided_at: datetime | None = None
    aggregate_ids: Sequence[UUID] = field(init=False)

    def __post_init__(self) -> None:
        """Set `aggregate_ids`."""
        ids = [_uuid(event.originator_id) for event in self.events]
        if len(ids) > 1:
            ids = list(dict.fromkeys(ids))
        self.aggregate_ids = ids

    @property
    def public_ids(self) -> Sequence[str]:
        """Return the ids by which a client can look up what became of the unit."""
        return self.known_as or [str(one) for one in self.aggregate_ids]


@dataclass
class Saved:
    """What an append left behind; the writer fills it in.

    Attributes:
        positions: the events' positions in the log, in the unit's order.
        rows: the projections' rows by aggregate id, exactly as these events left them; rows that
            existed before lack large columns that were not read.
        held_ms: for how long the append lock was held for them: where units shared a commit, in
            proportion to their numbers of events; 0 where it is not known.
    """

    positions: Sequence[int] = ()
    rows: Mapping[UUID, Row] = field(default_factory=dict)
    held_ms: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class State:
    """Where an aggregate stands.

    Attributes:
        version: of its last event.
        row: its row, which says all that its decisions need. None: the row cannot be relied on,
            for it lacks an event, or another version of the program has written it; the history
            alone tells.
    """

    version: int
    row: Row | None = None


@dataclass(frozen=True)
class Offer:
    """What a worker can execute.

    Attributes:
        entry_points: of its handlers.
        abandoned: entry points that no living worker offers. It claims their runs as well, but only
            to fail them, and none before it has waited for `grace_s`.
        labels: the worker's own, each a name and a value.
        isolation: which attempts its free slots are for; those of others are claimed apart.
    """

    entry_points: frozenset[str]
    abandoned: frozenset[str] = frozenset()
    grace_s: float = 0.0
    labels: frozenset[tuple[str, str]] = frozenset()
    isolation: Isolation = "process"


Standing = Literal["alive", "draining", "lost"]
"""How a worker stands: it works, is to claim nothing more, or is lost."""


@dataclass(frozen=True)
class Claimant:
    """A worker that claims runs.

    Attributes:
        slots: how many runs it can start.
        bypassed: runs that it must not get.
        bypasses_more: whether there were more of these, which are forgotten.
        offer: what it executes; None for anything.
        likely: the only run that it will probably get; a hint.
    """

    worker_id: str
    slots: int
    bypassed: Sequence[UUID]
    bypasses_more: bool
    offer: Offer | None = None
    likely: UUID | None = None


class RandomSource(Protocol):
    """Where jitter and ids take their randomness from."""

    def random(self) -> float:
        """Return a number in [0, 1)."""

    def randbytes(self, n: int) -> bytes:
        """Return n bytes."""


class Locked(Protocol):
    """The log while no other process can append.

    What it shows cannot change before the command's own events.
    """

    @property
    def now(self) -> datetime:
        """The database's present."""

    async def states_of(self, kind: str, ids: Iterable[UUID]) -> dict[UUID, State]:
        """Return where these aggregates stand, in this order; unknown ones are left out.

        So are the last ones where all together are too large to be read under the lock. No history
        is ever read there, for it may be of any length.

        Args:
            kind: of aggregate: the first word of its topics.
            ids: whose.
        """

    async def claimable_run_ids(self) -> list[UUID] | None:
        """Decide which pending runs the claimant starts now, the most urgent first.

        They are no more than it has slots for, and exceed no limit of concurrency, rate or
        fairness. None: the claimant has been declared lost, or there is none.
        """

    async def overdue_run_ids(
        self, limit: int, bypassed: Sequence[UUID] = (), after: UUID | None = None
    ) -> list[UUID]:
        """Return pending runs, but none of these, that never started and no longer may.

        They come in the order of their deadlines, after some run's if one is given.
        """

    async def orphaned_run_ids(
        self, limit: int, bypassed: Sequence[UUID] = (), after: UUID | None = None
    ) -> list[UUID]:
        """Return the orphaned runs except these: running ones that no living worker holds.

        Those of lost workers come first, which an index serves. With `after`, a run or an id before
        all, they come in the order of their workers instead, behind that run.
        """

    async def has_unfinished_runs(self, definition_id: UUID) -> bool:
        """Return whether any run of this job is pending or running."""

    async def count_saved_views(self) -> int:
        """Return how many saved views are not deleted."""

    async def subject_key(self, subject: str) -> UUID | None:
        """Return the id of the key of this subject's data, None where there are none.

        Raises:
            SubjectKeysUnavailableError: names cannot be looked up without the master key.
        """

    async def unfinished_runs_of(self, key_id: UUID) -> list[UUID]:
        """Return the pending and running runs that hold data encrypted by this key."""

    async def erase_subject(self, key_id: UUID) -> int:
        """Destroy the key in this transaction, and rewrite the runs that hold data encrypted by it.

        Returns how many runs these are.
        """

    async def schedules_of_subject(self, subject: str) -> dict[UUID, list[str]]:
        """Return the schedules, deleted ones too, that hold values of this subject in the open.

        Their job has marked these parameters since. Each comes with the parameters' names.
        """

    async def declare_lost(self, worker_id: str, sequence: int) -> bool:
        """Declare the worker lost in this transaction.

        Returns False, and does nothing, if its heartbeat has moved past `sequence`.
        """


class Log(Protocol):
    """The append-only log with its projections."""

    async def append(self, unit: Unit) -> Saved:
        """Append the unit and write its rows in the same transaction.

        Raises:
            VersionConflictError: another event stands at one of these versions.
            LogUnavailableError: nothing was written.
            SubjectKeysUnavailableError: nothing was written: the master key is missing.
            OutcomeUnknownError: the answer was lost, and could not be found out.
            OverloadedError: too many appends wait already.
        """

    async def append_under_lock(
        self,
        decide: Callable[[Locked], Awaitable[Sequence[StoredEvent]]],
        origin: Origin,
        claimant: Claimant | None = None,
        known_as: Sequence[str] = (),
    ) -> Saved:
        """Append what `decide` returns while it holds the log's lock. Raises what `append` raises.

        The claimant is who claims runs, if that is what is decided. For `known_as` see `Unit`.
        """

    async def states_of(self, kind: str, ids: Iterable[UUID]) -> dict[UUID, State]:
        """Return where these aggregates stand, in this order, as `Locked.states_of` does.

        What is decided on it may be outdated when it is appended, and is refused then.
        """

    async def holders_of(self, slots: Iterable[Slot]) -> dict[Slot, tuple[UUID, bool]]:
        """Return who has which of these slots, and whether it is pending; maybe outdated, too."""

    async def run_statuses(self, run_ids: Iterable[UUID]) -> dict[UUID, str]:
        """Return how these runs stand, as their rows say; those that have none are left out."""

    async def watch_clock(self, begun: datetime, now: datetime) -> datetime:
        """Record that this process has looked at the clock from one moment until another.

        Returns from when on any process has looked at it until now.
        """

    def kept_run(self, run_id: UUID) -> Row | None:
        """Return the row of a running run as this process left it, if it knows.

        It may be outdated as well.
        """

    async def backfilled_among(self, schedule_id: UUID, run_ids: Collection[UUID]) -> set[UUID]:
        """Return those of a schedule's runs that backfills launched."""

    async def events_after(
        self, aggregate_id: UUID, version: int, topics: Collection[str] = ()
    ) -> list[StoredEvent]:
        """Return the next events of an aggregate after a version, in order, a few megabytes.

        With topics those alone, of an aggregate whose events are not archived.

        None at its end.
        """


def _uuid(originator_id: UUID | str) -> UUID:
    if isinstance(originator_id, UUID):
        return originator_id
    return UUID(originator_id)
