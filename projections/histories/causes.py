"""Does the cause exist that an event names? Mostly it is the event before, of the same aggregate.

Other causes are sought among the last few events: what a unit creates beside its first aggregate is
that one's doing. What is older, such as the end of a run that is retried a year later, is kept to
be sought in the whole log: once in a while, and all together, so that memory stays bounded.
"""

from collections import deque
from hashlib import sha1
from typing import cast
from uuid import UUID

from projections.histories.event import Finding, LoggedEvent

CAUSE_EXISTS = "cause_exists"

RECENT = 32
"""Events looked back on: a unit that creates something rarely has more."""

MOST_OPEN = 100_000
"""Causes kept until they are sought in the whole log."""

_KEPT_BITS = ~(0xF << 76 | 0b11 << 62)
_VERSION_5 = 0x5 << 76 | 0b10 << 62


def event_number(aggregate_id: bytes, version: int) -> int:
    """Return an event's id as a number: a UUIDv5 of its version in the aggregate's name space."""
    name = str(version).encode()
    digest = sha1(aggregate_id + name, usedforsecurity=False).digest()
    number = int.from_bytes(digest[:16], "big")
    return number & _KEPT_BITS | _VERSION_5


def names_an_event(causation_id: bytes) -> bool:
    """Return whether the cause is an event; otherwise it is a request, and in no log."""
    uuid_version = causation_id[6] >> 4
    return uuid_version == 5  # noqa: PLR2004 - ids of events are made in this way


class Causes:
    """Takes every event in order; what remains open can be sought by `seen`."""

    def __init__(self) -> None:
        self._recent: deque[tuple[bytes, int]] = deque(maxlen=RECENT)
        # By the cause's number, what is to be reported if the log does not have it.
        self._open: dict[int, Finding] = {}

    def __len__(self) -> int:
        """Return how many causes are still sought."""
        return len(self._open)

    def take(self, event: LoggedEvent) -> None:
        """Look for the cause of the event among what came before it."""
        cause = event.causation_id
        if cause is not None and names_an_event(cause):
            number = int.from_bytes(cause, "big")
            if not self._is_near(number, event):
                self._seek(number, event)
        place = (event.aggregate_id, event.version)
        self._recent.append(place)

    def seen(self, position: int, aggregate_id: bytes, version: int) -> None:
        """Take an event of the log once more: it may be what is sought."""
        number = event_number(aggregate_id, version)
        sought = self._open.get(number)
        if sought is None:
            return
        effect_position = cast("int", sought.position)
        if position < effect_position:
            del self._open[number]

    def missing(self) -> list[Finding]:
        """Give up what is still sought; return what there is to report, in order."""
        findings = list(self._open.values())
        self._open.clear()
        return findings

    def _is_near(self, cause: int, event: LoggedEvent) -> bool:
        last_version = event.version - 1
        if last_version and event_number(event.aggregate_id, last_version) == cause:
            return True
        for aggregate_id, version in reversed(self._recent):
            number = event_number(aggregate_id, version)
            if number == cause:
                return True
        return False

    def _seek(self, cause: int, event: LoggedEvent) -> None:
        # Of several effects the first counts: whatever is before it is before the others.
        if cause in self._open:
            return
        cause_id = UUID(int=cause)
        expected = (
            f"an earlier event with the id {cause_id}, which it names as its cause"
        )
        self._open[cause] = event.breaks(CAUSE_EXISTS, expected)
