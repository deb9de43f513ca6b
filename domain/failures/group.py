"""A failure group: attempts of a job that failed for the same reason.

First the group's state, then its events, then its aggregate (`FailureGroup`). Searches of the log
open groups, and resolve and reopen them (`grouping.py`); people resolve, ignore and reopen them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, Self, cast
from uuid import UUID

from eventsourcing.domain import Aggregate
from typing_extensions import ReadOnly, TypedDict

from domain.clock import cut_to_ms, from_iso
from domain.failures.signature import Signature
from domain.identifiers import failure_group_id
from domain.json_values import Json, JsonObject
from domain.ports import SYSTEM
from domain.state import (
    BigInt,
    Changes,
    Id,
    Integer,
    Integers,
    PlainEvent,
    StateEvent,
    Stateful,
    Text,
    Time,
)

Status = Literal["open", "resolved", "ignored"]

MAX_VERSIONS = 100
"""Versions of its job that a group names, the newest; each is a part of its row."""


class GroupState(TypedDict):
    """A failure group, in the order in which clients see it.

    `count` is the number of failed attempts whose run has not succeeded since, `recovered` that of
    those whose run has. `changed_by` is who resolved, ignored or reopened it last. A failure of the
    job's version `resolved_in_version` or a later one reopens it; None: of any version.
    """

    aggregate_id: ReadOnly[Id]
    fingerprint: ReadOnly[Text]
    title: ReadOnly[Text]
    job: ReadOnly[Text]
    reason: ReadOnly[Text]
    frame: ReadOnly[Text | None]
    status: ReadOnly[Annotated[Status, "text"]]
    count: ReadOnly[BigInt]
    recovered: ReadOnly[BigInt]
    first_at: ReadOnly[Time]
    last_at: ReadOnly[Time]
    affected_versions: ReadOnly[Integers]
    sample_run: ReadOnly[Id]
    changed_by: ReadOnly[Text | None]
    resolved_at: ReadOnly[Time | None]
    resolved_in_version: ReadOnly[Integer | None]
    created_at: ReadOnly[Time]
    updated_at: ReadOnly[Time]


def united(versions: Iterable[int], more: Iterable[int]) -> list[int]:
    """Return the versions of both, in order, the newest `MAX_VERSIONS` at most."""
    return sorted({*versions, *more})[-MAX_VERSIONS:]


# The group's events. Their topics and fields are the on-disk format.
#
# They hold the signature itself, not what it was computed from: its rule may change, and groups
# stay what they are.


class GroupEvent(StateEvent):
    """Base of the group's events."""

    TOPIC = "failure_group.event"


class Opened(GroupEvent, Aggregate.Created):
    """Attempts failed in a way that was not seen before.

    `failures` is how many of them, `versions` are those of their job, in order, and `sample_run` is
    the last one's. `frame` is null without a traceback. `positions` are those of the attempts' ends
    in the log; older events have none.
    """

    TOPIC = "failure_group.opened"
    class_version = 2
    fingerprint: str
    job_id: str
    job: str
    reason: str
    title: str
    frame: str | None
    failures: int
    first_at: datetime
    last_at: datetime
    versions: list[int]
    sample_run: str
    positions: list[int]

    @staticmethod
    def upcast_v1_v2(state: JsonObject) -> None:
        """Lift an event from before it had its failures' positions."""
        state["positions"] = []

    @staticmethod
    def evolve(_: object, event: PlainEvent) -> Changes:
        data = event.data
        return {
            "aggregate_id": str(event.aggregate_id),
            "fingerprint": data["fingerprint"],
            "title": data["title"],
            "job": data["job"],
            "reason": data["reason"],
            "frame": data["frame"],
            "status": "open",
            "count": data["failures"],
            "recovered": 0,
            "first_at": data["first_at"],
            "last_at": data["last_at"],
            "affected_versions": data["versions"],
            "sample_run": data["sample_run"],
            "created_at": event.at,
        }


class Recurred(GroupEvent):
    """More attempts failed in the same way."""

    TOPIC = "failure_group.recurred"
    class_version = 2
    failures: int
    last_at: datetime
    versions: list[int]
    sample_run: str
    positions: list[int]

    @staticmethod
    def upcast_v1_v2(state: JsonObject) -> None:
        """Lift an event from before it had its failures' positions."""
        state["positions"] = []

    @staticmethod
    def evolve(group: GroupState, event: PlainEvent) -> Changes:
        versions = cast("list[int]", event.data["versions"])
        return {
            "count": group["count"] + cast("int", event.data["failures"]),
            # Times as text are in order.
            "last_at": max(group["last_at"], cast("str", event.data["last_at"])),
            "affected_versions": [*united(group["affected_versions"], versions)],
            "sample_run": event.data["sample_run"],
        }


class Recovered(GroupEvent):
    """`failures` failures have recovered: their runs, or retries of these, have succeeded since.

    Once none is left, an open group is resolved.
    """

    TOPIC = "failure_group.recovered"
    failures: int

    @staticmethod
    def evolve(group: GroupState, event: PlainEvent) -> Changes:
        recovered = cast("int", event.data["failures"])
        left = max(group["count"] - recovered, 0)
        changed: Changes = {"count": left, "recovered": group["recovered"] + recovered}
        if group["status"] == "open" and left == 0:
            changed |= _resolved(event, None)
        return changed


class Resolved(GroupEvent):
    """A client resolved it, from the job's version `in_version` on if that is not null."""

    TOPIC = "failure_group.resolved"
    by: str
    in_version: int | None

    @staticmethod
    def evolve(_: object, event: PlainEvent) -> Changes:
        return {**_resolved(event, event.data["in_version"]), "changed_by": event.data["by"]}


class Ignored(GroupEvent):
    """A client ignored it: it is no longer among the open ones."""

    TOPIC = "failure_group.ignored"
    by: str

    @staticmethod
    def evolve(_: object, event: PlainEvent) -> Changes:
        return {"status": "ignored", "changed_by": event.data["by"]}


class Reopened(GroupEvent):
    """It is open again: a client reopened it, or `run_id` failed so after it was resolved."""

    TOPIC = "failure_group.reopened"
    by: str
    run_id: str | None

    @staticmethod
    def evolve(_: object, event: PlainEvent) -> Changes:
        return {"status": "open", "changed_by": event.data["by"]}


def _resolved(event: PlainEvent, in_version: Json) -> Changes:
    return {"status": "resolved", "resolved_at": event.at, "resolved_in_version": in_version}


@dataclass(frozen=True)
class GroupedFailure:
    """A failed attempt, as its group records it.

    Attributes:
        run_id: whose attempt it was.
        at: when it failed.
        version: the job's, with which the run was launched.
        position: of the attempt's end in the log.
    """

    run_id: UUID
    at: datetime
    version: int
    position: int


@dataclass(frozen=True)
class GroupIdentity:
    """The job, the reason and the signature that the failures of a group share."""

    job_id: UUID
    job: str
    reason: str
    signature: Signature


class FailureGroup(Stateful[GroupState], Aggregate):
    """Aggregate of a failure group."""

    TOPIC = "failure_group"
    STATE = GroupState

    Event = GroupEvent
    Opened = Opened
    Recurred = Recurred
    Recovered = Recovered
    Resolved = Resolved
    Ignored = Ignored
    Reopened = Reopened

    @property
    def fingerprint(self) -> str:
        """What names it."""
        return self.state["fingerprint"]

    @property
    def public_id(self) -> str:
        return self.fingerprint

    @property
    def status(self) -> Status:
        return self.state["status"]

    @property
    def count(self) -> int:
        """Its failures whose run has not succeeded since."""
        return self.state["count"]

    # Of the log

    @classmethod
    def open(
        cls, identity: GroupIdentity, failures: Sequence[GroupedFailure], now: datetime
    ) -> Self:
        """Open a group with its first failures, which are in order."""
        signature = identity.signature
        group_id = failure_group_id(signature.fingerprint)
        first = failures[0]
        last = failures[-1]
        return cls._create(
            cls.Opened,
            id=group_id,
            timestamp=cut_to_ms(now),
            fingerprint=signature.fingerprint,
            job_id=str(identity.job_id),
            job=identity.job,
            reason=identity.reason,
            title=signature.title,
            frame=signature.frame,
            failures=len(failures),
            first_at=first.at,
            last_at=last.at,
            versions=_versions_of(failures),
            sample_run=str(last.run_id),
            positions=[one.position for one in failures],
        )

    def recur(self, failures: Sequence[GroupedFailure], now: datetime) -> None:
        """Record more failures, which are in order; they may reopen a resolved group."""
        last = failures[-1]
        self.trigger_event(
            FailureGroup.Recurred,
            timestamp=self._at(now),
            failures=len(failures),
            last_at=last.at,
            versions=_versions_of(failures),
            sample_run=str(last.run_id),
            positions=[one.position for one in failures],
        )
        if self.status != "resolved":
            return
        for failure in failures:
            if self._reopens(failure):
                self._reopen(SYSTEM.actor, str(failure.run_id), now)
                return

    def recover(self, failures: int, now: datetime) -> None:
        """Record that this number of failures have recovered."""
        recovered = min(failures, self.count)
        if recovered == 0:
            return
        self.trigger_event(FailureGroup.Recovered, timestamp=self._at(now), failures=recovered)

    # Of people

    def resolve(self, by: str, in_version: int | None, now: datetime) -> None:
        """Resolve it; repeated, this changes nothing."""
        if self.status == "resolved" and self.state["resolved_in_version"] == in_version:
            return
        self.trigger_event(
            FailureGroup.Resolved, timestamp=self._at(now), by=by, in_version=in_version
        )

    def ignore(self, by: str, now: datetime) -> None:
        """Remove it from the open ones; repeated, this changes nothing."""
        if self.status == "ignored":
            return
        self.trigger_event(FailureGroup.Ignored, timestamp=self._at(now), by=by)

    def reopen(self, by: str, now: datetime) -> None:
        """Reopen it; repeated, this changes nothing."""
        if self.status != "open":
            self._reopen(by, None, now)

    def _reopen(self, by: str, run_id: str | None, now: datetime) -> None:
        self.trigger_event(FailureGroup.Reopened, timestamp=self._at(now), by=by, run_id=run_id)

    def _reopens(self, failure: GroupedFailure) -> bool:
        """Return whether a failure shows that a resolved group is not resolved."""
        resolved_at = self.state["resolved_at"]
        if resolved_at is not None and failure.at <= from_iso(resolved_at):
            return False
        from_version = self.state["resolved_in_version"]
        return from_version is None or failure.version >= from_version


def _versions_of(failures: Sequence[GroupedFailure]) -> list[int]:
    """Return the versions of the job in which these attempts failed, in order."""
    return united([], [failure.version for failure in failures])
