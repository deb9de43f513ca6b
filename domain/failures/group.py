"""A failure group: attempts of a job that failed for the same reason.

First which failures are the same (`likeness`), then the group's state, its events and its aggregate
(`FailureGroup`), and the position up to which the log was searched (`FailureWatch`). The log opens,
recurs, resolves and reopens groups by itself (`grouping.py`); people resolve, ignore and reopen
them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Literal
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.clock import cut_to_ms
from domain.identifiers import FAILURE_WATCH_ID, failure_group_id
from domain.json_values import Json, JsonObject, canonical

# Which failures are the same: those of one job that differ only in what varies.
#
# Messages are compared without their numbers, ids, paths and quoted texts. Of a traceback only the
# innermost function of the handler's own code counts, not its line, which moves with each edit.

DIGITS = 16
"""Of a fingerprint, hexadecimal."""

MAX_TITLE_CHARACTERS = 200

MOST_COMPARED = 2_000
"""Characters of a message that count; patterns take time by the length of what they search."""

_QUOTED = r"(?<!\w)'[^'\n]{0,200}'(?!\w)|\"[^\"\n]{0,200}\"|`[^`\n]{0,200}`"

_UUID = r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"

_HEX = r"\b0x[0-9a-f]+\b|\b(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{8,}\b"

_VARIABLE = (
    ("url", re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s'\"`<>]+", re.IGNORECASE)),
    ("text", re.compile(_QUOTED)),
    ("id", re.compile(_UUID, re.IGNORECASE)),
    ("path", re.compile(r"(?<![\w/.])(?:~|\.{1,2})?(?:/[\w.@+-]+){2,}/?")),
    ("path", re.compile(r"\b[A-Za-z]:\\[^\s'\"`<>]+")),
    ("id", re.compile(_HEX, re.IGNORECASE)),
    ("n", re.compile(r"(?<![A-Za-z_0-9])[-+]?\d+(?:[.,:]\d+)*")),
)
"""What varies from one failure to the next, and by which word it is replaced, in this order."""

_BLANKS = re.compile(r"\s+")

_FRAME = re.compile(
    r'^[ \t]*File "(?P<file>[^"\n]+)", line \d+, in (?P<function>.+)$', re.MULTILINE
)
"""Each line is looked at by itself: other blanks would let it go on, from every empty line, through
all empty lines that follow."""

_FOREIGN = re.compile(
    r"[\\/](?:site-packages|dist-packages|apphub_jobs)[\\/]"
    r"|[\\/]lib[\\/]python\d[.\d]*[\\/]|^<"
)
"""Code that is not the handler's: libraries, Python's own, and what has no file."""

_SAID_BY_REASON = frozenset({"worker_lost"})
"""Reasons whose message names hosts and workers, and nothing that would tell two of them apart."""


@dataclass(frozen=True)
class Failed:
    """An attempt that ended badly.

    Attributes:
        job_id: the definition's.
        reason: its `failureReason`.
        message: what it said.
        stack: the traceback, where its handler raised something.
    """

    job_id: UUID
    reason: str
    message: str
    stack: str | None = None


@dataclass(frozen=True)
class Likeness:
    """What failures of one group have in common.

    Attributes:
        fingerprint: names the group.
        title: for people: the message without what varies.
        frame: the innermost function of the handler's own code, None where there is no traceback.
    """

    fingerprint: str
    title: str
    frame: str | None


def likeness(failed: Failed) -> Likeness:
    """Return what a failure has in common with others of its group."""
    reason = failed.reason.replace("_", " ")
    told = normalised(failed.message)
    if failed.reason in _SAID_BY_REASON:
        told = reason
    frame: str | None = None
    if failed.stack is not None:
        frame = innermost_frame(failed.stack)
    parts: list[Json] = [str(failed.job_id), failed.reason, told, frame]
    compared = canonical(parts)
    digest = sha256(compared).hexdigest()
    title = shortened(told) or reason
    return Likeness(digest[:DIGITS], title, frame)


def normalised(message: str) -> str:
    """Return a message with a word in place of everything that varies."""
    told = message[:MOST_COMPARED]
    for word, pattern in _VARIABLE:
        told = pattern.sub(f"<{word}>", told)
    return _BLANKS.sub(" ", told).strip()


def innermost_frame(stack: str) -> str | None:
    """Return the last function of the handler's own code in a traceback of Python.

    It is for example `load in orders.py`. Of what is raised while something else is handled, the
    last traceback counts.
    """
    own: str | None = None
    for frame in _FRAME.finditer(stack):
        file = frame["file"]
        if _FOREIGN.search(file) is not None:
            continue
        *_, name = re.split(r"[\\/]", file)
        function = frame["function"].strip()
        own = f"{function} in {name}"
    return own


def shortened(told: str) -> str:
    """Return a title's worth of a text."""
    if len(told) <= MAX_TITLE_CHARACTERS:
        return told
    return told[: MAX_TITLE_CHARACTERS - 1] + "…"


Status = Literal["open", "resolved", "ignored"]

MOST_VERSIONS = 100
"""Versions of its job that a group names, the newest; each is a part of its row."""


class GroupState:
    """The state of a failure group; its events move it.

    Attributes:
        fingerprint: what names it.
        status: `resolved` by somebody, or because none of its failures is left.
        count: its failures whose run has not succeeded since.
        last_at: when the last attempt failed so.
        versions: of its job in which it failed so, in order.
        resolved_at: when it was resolved, if it ever was.
        resolved_in: the version of the job from which on a failure reopens it, None for any.
    """

    fingerprint: str
    status: Status
    count: int
    last_at: datetime
    versions: list[int]
    resolved_at: datetime | None
    resolved_in: int | None

    def add(self, failures: int, last_at: datetime, versions: Iterable[int]) -> None:
        """Add more of its failures."""
        self.count += failures
        self.last_at = max(self.last_at, last_at)
        self.versions = united(self.versions, versions)

    def take_away(self, failures: int, at: datetime) -> None:
        """Take failures away whose run has succeeded since."""
        self.count = left_after(self.count, failures)
        if self.status == "open" and self.count == 0:
            self.settle(at, None)

    def settle(self, at: datetime, in_version: int | None) -> None:
        """Note that it is mended."""
        self.status = "resolved"
        self.resolved_at = at
        self.resolved_in = in_version


def united(versions: Iterable[int], more: Iterable[int]) -> list[int]:
    """Return the versions of both, in order; the newest, where there are very many."""
    both = {*versions, *more}
    return sorted(both)[-MOST_VERSIONS:]


def left_after(count: int, recovered: int) -> int:
    """Return how many failures are left; never less than none."""
    return max(count - recovered, 0)


# The group's events. Their topics and fields are the on-disk format.
#
# They hold what made failures alike at that time: the rule may change, and open groups stay what
# they are.


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

    Event = GroupEvent
    Opened = Opened
    Recurred = Recurred
    Recovered = Recovered
    Resolved = Resolved
    Ignored = Ignored
    Reopened = Reopened

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
    def open(cls, about: About, failures: Sequence[Failure], now: datetime) -> FailureGroup:
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
        self.trigger_event(FailureGroup.Recovered, timestamp=self._at(now), failures=recovered)

    # Of people

    def resolve(self, by: str, in_version: int | None, now: datetime) -> None:
        """Say that it is mended; said again, this changes nothing."""
        if self.status == "resolved" and self.resolved_in == in_version:
            return
        self.trigger_event(
            FailureGroup.Resolved, timestamp=self._at(now), by=by, in_version=in_version
        )

    def ignore(self, by: str, now: datetime) -> None:
        """Show it no more among what is open; said again, this changes nothing."""
        if self.status == "ignored":
            return
        self.trigger_event(FailureGroup.Ignored, timestamp=self._at(now), by=by)

    def reopen(self, by: str, now: datetime) -> None:
        """Say that it is not mended; said again, this changes nothing."""
        if self.status != "open":
            self._reopen(by, None, now)

    def _reopen(self, by: str, run_id: str | None, now: datetime) -> None:
        self.trigger_event(FailureGroup.Reopened, timestamp=self._at(now), by=by, run_id=run_id)

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


# Up to which position the log was searched for failures: one aggregate for all processes.
#
# A search moves it in the unit that records its findings, so no failure is recorded twice.


class FailureWatch(Aggregate):
    """Aggregate of the search.

    Attributes:
        searched_until: the position up to which failures are noted.
    """

    TOPIC = "failure_watch"

    class Event(Aggregate.Event):
        """Base of its events."""

        TOPIC = "failure_watch.event"

    class Begun(Event, Aggregate.Created):
        """The log was searched for the first time, up to `searched_until`."""

        TOPIC = "failure_watch.begun"
        searched_until: int

    class Moved(Event):
        """It was searched up to `searched_until`."""

        TOPIC = "failure_watch.moved"
        searched_until: int

        def apply(self, aggregate: FailureWatch) -> None:
            aggregate.searched_until = self.searched_until

    def __init__(self, searched_until: int) -> None:
        self.searched_until = searched_until

    @classmethod
    def begin(cls, searched_until: int, now: datetime) -> FailureWatch:
        """Record the first search."""
        return cls._create(
            cls.Begun, id=FAILURE_WATCH_ID, timestamp=cut_to_ms(now), searched_until=searched_until
        )

    def move(self, searched_until: int, now: datetime) -> None:
        """Record another search; one that came less far changes nothing."""
        if searched_until <= self.searched_until:
            return
        at = cut_to_ms(now)
        self.trigger_event(
            FailureWatch.Moved, timestamp=max(at, self.modified_on), searched_until=searched_until
        )
