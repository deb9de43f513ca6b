"""A failure group: attempts of a job that failed for the same reason.

The log opens, recurs, resolves and reopens groups by itself (`noting.py`); people resolve, ignore
and reopen them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.clock import cut_to_ms
from domain.failures import group_events
from domain.failures.fingerprint import Likeness
from domain.failures.group_state import GroupState, united
from domain.identifiers import failure_group_id

BY_ITSELF = "system"
"""Who reopens a group in which a run failed after it was resolved."""


@dataclass(frozen=True)
class Failure:
    """A failed attempt, as far as its group needs to know it.

    Attributes:
        run_id: whose attempt it was.
        at: when it failed.
        version: the job's, with which the run was launched.
        position: where the attempt's end stands in the log.
    """

    run_id: UUID
    at: datetime
    version: int
    position: int


@dataclass(frozen=True)
class About:
    """What a group is about: whose failures, and what they have in common."""

    job_id: UUID
    job: str
    reason: str
    likeness: Likeness


class FailureGroup(GroupState, Aggregate):
    """Aggregate of a failure group."""

    TOPIC = "failure_group"

    Event = group_events.GroupEvent
    Opened = group_events.Opened
    Recurred = group_events.Recurred
    Recovered = group_events.Recovered
    Resolved = group_events.Resolved
    Ignored = group_events.Ignored
    Reopened = group_events.Reopened

    def __init__(  # noqa: PLR0913 - the event's fields
        self,
        fingerprint: str,
        job_id: str,
        job: str,
        reason: str,
        title: str,
        frame: str | None,
        failures: int,
        first_at: datetime,
        last_at: datetime,
        versions: list[int],
        sample_run: str,
        positions: list[int],
    ) -> None:
        # Only shown, or asked for.
        del job_id, job, reason, title, frame, first_at, sample_run, positions
        self.fingerprint = fingerprint
        self.status = "open"
        self.count = failures
        self.last_at = last_at
        self.versions = versions
        self.resolved_at = None
        self.resolved_in = None

    # Of the log

    @classmethod
    def open(
        cls, about: About, failures: Sequence[Failure], now: datetime
    ) -> FailureGroup:
        """Open a group with its first failures, which are in order."""
        likeness = about.likeness
        group_id = failure_group_id(likeness.fingerprint)
        first = failures[0]
        last = failures[-1]
        return cls._create(
            cls.Opened,
            id=group_id,
            timestamp=cut_to_ms(now),
            fingerprint=likeness.fingerprint,
            job_id=str(about.job_id),
            job=about.job,
            reason=about.reason,
            title=likeness.title,
            frame=likeness.frame,
            failures=len(failures),
            first_at=first.at,
            last_at=last.at,
            versions=_versions_of(failures),
            sample_run=str(last.run_id),
            positions=[one.position for one in failures],
        )

    def recur(self, failures: Sequence[Failure], now: datetime) -> None:
        """Note more failures, which are in order; the first that is news reopens the group."""
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
            if self._is_news(failure):
                self._reopen(BY_ITSELF, str(failure.run_id), now)
                return

    def recover(self, failures: int, now: datetime) -> None:
        """Note that the runs of so many failures have succeeded since."""
        recovered = min(failures, self.count)
        if recovered == 0:
            return
        self.trigger_event(
            FailureGroup.Recovered,
            timestamp=self._at(now),
            failures=recovered,
        )

    # Of people

    def resolve(self, by: str, in_version: int | None, now: datetime) -> None:
        """Say that it is mended; said again, this changes nothing."""
        if self.status == "resolved" and self.resolved_in == in_version:
            return
        self.trigger_event(
            FailureGroup.Resolved,
            timestamp=self._at(now),
            by=by,
            in_version=in_version,
        )

    def ignore(self, by: str, now: datetime) -> None:
        """Show it no more among what is open; said again, this changes nothing."""
        if self.status == "ignored":
            return
        self.trigger_event(
            FailureGroup.Ignored,
            timestamp=self._at(now),
            by=by,
        )

    def reopen(self, by: str, now: datetime) -> None:
        """Say that it is not mended; said again, this changes nothing."""
        if self.status != "open":
            self._reopen(by, None, now)

    def _reopen(self, by: str, run_id: str | None, now: datetime) -> None:
        self.trigger_event(
            FailureGroup.Reopened,
            timestamp=self._at(now),
            by=by,
            run_id=run_id,
        )

    def _is_news(self, failure: Failure) -> bool:
        """Return whether a failure says that what was resolved is not."""
        if self.resolved_at is not None and failure.at <= self.resolved_at:
            return False
        return self.resolved_in is None or failure.version >= self.resolved_in

    def _at(self, now: datetime) -> datetime:
        # Never before the previous event, however the hosts' clocks are set.
        at = cut_to_ms(now)
        return max(at, self.modified_on)


def _versions_of(failures: Sequence[Failure]) -> list[int]:
    """Return the versions of the job in which these attempts failed, in order."""
    versions = [failure.version for failure in failures]
    return united([], versions)
