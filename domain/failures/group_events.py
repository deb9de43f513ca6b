"""The events of a failure group. Their topics and fields are the on-disk format.

What was noted stands in them as it was found then: what makes failures alike may change, and groups
that are open stay what they are.
"""

from __future__ import annotations

from datetime import datetime

from eventsourcing.domain import Aggregate

from domain.failures.group_state import GroupState
from domain.json_values import JsonObject


class GroupEvent(Aggregate.Event):
    """Base of the group's events."""

    TOPIC = "failure_group.event"


class Opened(GroupEvent, Aggregate.Created):
    """Attempts failed in a way that was not seen before.

    `failures` is how many of them, `versions` are those of their job, in order, and `sample_run` is
    the last one's. `frame` is null where no traceback is known. `positions` are where the attempts'
    ends stand in the log; there are none where that was not noted.
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
        """Lift an event from before anybody asked where its failures stand."""
        state["positions"] = []


class Recurred(GroupEvent):
    """More attempts failed so."""

    TOPIC = "failure_group.recurred"
    class_version = 2
    failures: int
    last_at: datetime
    versions: list[int]
    sample_run: str
    positions: list[int]

    @staticmethod
    def upcast_v1_v2(state: JsonObject) -> None:
        """Lift an event from before anybody asked where its failures stand."""
        state["positions"] = []

    def apply(self, aggregate: GroupState) -> None:
        aggregate.add(self.failures, self.last_at, self.versions)


class Recovered(GroupEvent):
    """Of so many failures the run has succeeded since, by a later attempt or as another run.

    Once none is left an open group is resolved.
    """

    TOPIC = "failure_group.recovered"
    failures: int

    def apply(self, aggregate: GroupState) -> None:
        aggregate.take_away(self.failures, self.timestamp)


class Resolved(GroupEvent):
    """Somebody says that it is mended; from `in_version` of the job on, if that is given."""

    TOPIC = "failure_group.resolved"
    by: str
    in_version: int | None

    def apply(self, aggregate: GroupState) -> None:
        aggregate.settle(self.timestamp, self.in_version)


class Ignored(GroupEvent):
    """Somebody does not want to hear of it any more."""

    TOPIC = "failure_group.ignored"
    by: str

    def apply(self, aggregate: GroupState) -> None:
        aggregate.status = "ignored"


class Reopened(GroupEvent):
    """It is open again: somebody says so, or `run_id` failed so although it was resolved."""

    TOPIC = "failure_group.reopened"
    by: str
    run_id: str | None

    def apply(self, aggregate: GroupState) -> None:
        aggregate.status = "open"
