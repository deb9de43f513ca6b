"""What the domain needs of the log. `eventlog` implements it; nothing here knows PostgreSQL."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from domain.identifiers import SlotClaim, UniqueSlot
from domain.workers import Isolation

Row = Mapping[str, object]
"""A projection's row in plain JSON, by column name: ids and times are texts.

The projections' own types name the columns (`projections.job_runs.RunRow` and so on).
"""


@dataclass(frozen=True)
class Origin:
    """Who caused an event, and why.

    Attributes:
        actor: the principal of a request, `worker:ID`, or `system`.
        correlation_id: shared by everything that one request set in motion. None: that of the
            aggregate's history, or the cause itself if there is none yet.
        causation_id: the request, or the `event_id` of the event, that caused it. None: the
            aggregate's last event.
    """

    actor: str
    correlation_id: UUID | None = None
    causation_id: UUID | None = None


SYSTEM = Origin(actor="system")
"""Of what the service does by itself."""


@dataclass
class Unit:
    """Events that are appended together or not at all.

    Never changed. Not frozen: each append makes one, and that would take three times as long.

    Attributes:
        expects: versions that other aggregates must still have, as the decision depends on them.
        heads: positions that the last events of some aggregates must still have. A log that was
            restored to an earlier position may have reached the same version in another way.
        continues: an aggregate; those that the unit creates get its correlation id.
        personal: the personal parameters of the requested run, the unit's first event, each with
            its subject's name, or the id of the key that encrypted it before. They are stored
            encrypted; if a subject is erased before, the unit is refused as by `expects`.
        slot_claims: of runs of the unit; it is refused with SlotTakenError unless each slot is
            free, or held by the run that it replaces.
        known_as: ids by which the client can look up the outcome, the best one first; empty for
            `aggregate_ids`.
        decided_at: when it was decided. If that lies in the future, as the database's clock was
            set back, the unit is refused as by `expects`.
        aggregate_ids: the aggregates of the events, each once, in order.
    """

    events: Sequence[StoredEvent]
    origin: Origin
    expects: Mapping[UUID, int] = field(default_factory=dict)
    heads: Mapping[UUID, int] = field(default_factory=dict)
    continues: UUID | None = None
    personal: Mapping[str, str | UUID] = field(default_factory=dict)
    slot_claims: Sequence[SlotClaim] = ()
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
        """Return the ids by which a client can look up the outcome."""
        return self.known_as or [str(one) for one in self.aggregate_ids]


@dataclass
class Saved:
    """The result of an append; the writer fills it in.

    Attributes:
        positions: the events' positions in the log, in the unit's order.
        rows: the projections' rows by aggregate id, exactly as these events left them; rows that
            existed before lack large columns that were not read.
        held_ms: how long the append lock was held for them, 0 if unknown; units of one commit share
            its time by their numbers of events.
    """

    positions: Sequence[int] = ()
    rows: Mapping[UUID, Row] = field(default_factory=dict)
    held_ms: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class State:
    """The state of an aggregate.

    Attributes:
        version: of its last event.
        row: its row, which has all that its decisions need. None: the row cannot be relied on, as
            it lacks an event, or another version of the program wrote it; only the history can.
    """

    version: int
    row: Row | None = None


@dataclass(frozen=True)
class Offer:
    """What a worker can execute.

    Attributes:
        entry_points: of its handlers.
        abandoned: entry points that no living worker offers. It claims their runs, too, but only to
            fail them, and none before it has waited for `grace_s`.
        labels: the worker's own, each a name and a value.
        isolation: of the attempts that its free slots are for; others are claimed separately.
    """

    entry_points: frozenset[str]
    abandoned: frozenset[str] = frozenset()
    grace_s: float = 0.0
    labels: frozenset[tuple[str, str]] = frozenset()
    isolation: Isolation = "process"

    @property
    def claimed_entry_points(self) -> frozenset[str]:
        """The entry points whose runs it claims, also those whose runs it only fails."""
        return self.entry_points | self.abandoned


WorkerState = Literal["alive", "draining", "lost"]
"""A worker works, or may claim nothing more, or is lost."""


@dataclass(frozen=True)
class Claimant:
    """A worker that claims runs.

    Attributes:
        slots: how many runs it can start.
        bypassed: runs that it must not get.
        bypasses_more: whether there are more such runs than these.
        offer: what it executes; None for anything.
        expected_run: the one run that it will probably get; a hint.
    """

    worker_id: str
    slots: int
    bypassed: Sequence[UUID]
    bypasses_more: bool
    offer: Offer | None = None
    expected_run: UUID | None = None


class RandomSource(Protocol):
    """The source of randomness of jitter and ids."""

    def random(self) -> float:
        """Return a number in [0, 1)."""

    def randbytes(self, n: int) -> bytes:
        """Return n bytes."""


class Locked(Protocol):
    """The log while its lock is held: no other process can append.

    What is read here cannot change before the command's own events.
    """

    @property
    def now(self) -> datetime:
        """The database's present."""

    async def states_of(self, kind: str, ids: Iterable[UUID]) -> dict[UUID, State]:
        """Return the states of these aggregates, in this order; unknown ones are left out.

        The last ones are left out, too, if all are too large to be read together under the lock.
        No history is read there, as it may be of any length.

        Args:
            kind: of aggregate: the first word of its topics.
            ids: of the aggregates.
        """

    async def claimable_run_ids(self) -> list[UUID] | None:
        """Decide which pending runs the claimant starts now, the most urgent first.

        They fit into its slots, and exceed no limit of concurrency, rate or fairness. None: the
        claimant was declared lost, or there is none.
        """

    async def overdue_run_ids(
        self, limit: int, bypassed: Sequence[UUID] = (), after: UUID | None = None
    ) -> list[UUID]:
        """Return pending runs that never started before their start deadline, except these.

        They are in the order of their deadlines, and with `after` begin after that run's.
        """

    async def orphaned_run_ids(
        self, limit: int, bypassed: Sequence[UUID] = (), after: UUID | None = None
    ) -> list[UUID]:
        """Return the orphaned runs except these: running ones that no living worker holds.

        Those of lost workers come first, by an index. With `after` they are in the order of their
        workers instead, and begin after that run; it may be an id before all others.
        """

    async def has_unfinished_runs(self, definition_id: UUID) -> bool:
        """Return whether any run of this job is pending or running."""

    async def count_saved_views(self) -> int:
        """Return how many saved views are not deleted."""

    async def subject_key(self, subject: str) -> UUID | None:
        """Return the id of the key of this subject's data, None if there are none.

        Raises:
            SubjectKeysUnavailableError: names cannot be looked up without the master key.
        """

    async def unfinished_runs_of(self, key_id: UUID) -> list[UUID]:
        """Return the pending and running runs that hold data encrypted by this key."""

    async def erase_subject(self, key_id: UUID) -> int:
        """Destroy the key in this transaction, and rewrite the runs that hold data encrypted by it.

        Returns the number of these runs.
        """

    async def schedules_of_subject(self, subject: str) -> dict[UUID, list[str]]:
        """Return the schedules, deleted ones too, that hold values of this subject unencrypted.

        Their job has marked these parameters since. By schedule id, the names of the parameters.
        """

    async def declare_lost(self, worker_id: str, sequence: int) -> bool:
        """Declare the worker lost in this transaction.

        If its heartbeat has moved past `sequence`, do nothing and return False.
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
        """Append what `decide` returns, all under the log's lock. Raises what `append` raises.

        The claimant is the worker that claims runs, if that is decided. For `known_as` see `Unit`.
        """

    async def states_of(self, kind: str, ids: Iterable[UUID]) -> dict[UUID, State]:
        """Return the states of these aggregates, as `Locked.states_of` does.

        A decision on them may be outdated when it is appended; then it is refused.
        """

    async def holders_of(self, slots: Iterable[UniqueSlot]) -> dict[UniqueSlot, tuple[UUID, bool]]:
        """Return the runs that hold these slots, and whether they are pending; may be outdated."""

    async def run_statuses(self, run_ids: Iterable[UUID]) -> dict[UUID, str]:
        """Return the statuses of these runs by their rows; those without a row are left out."""

    async def watch_clock(self, begun: datetime, now: datetime) -> datetime:
        """Record that this process has watched the clock since `begun`.

        Returns since when it has been watched without a gap, by any process.
        """

    def cached_run(self, run_id: UUID) -> Row | None:
        """Return the row of a running run as this process last wrote it, if it did.

        It may be outdated.
        """

    async def backfilled_among(self, schedule_id: UUID, run_ids: Collection[UUID]) -> set[UUID]:
        """Return those of a schedule's runs that backfills launched."""

    async def events_after(
        self, aggregate_id: UUID, version: int, topics: Collection[str] = ()
    ) -> list[StoredEvent]:
        """Return the next events of an aggregate after a version, in order, a few megabytes.

        With `topics` only events of these topics; the aggregate must be one whose events are never
        archived. The list is empty at the end.
        """


def _uuid(originator_id: UUID | str) -> UUID:
    if isinstance(originator_id, UUID):
        return originator_id
    return UUID(originator_id)
