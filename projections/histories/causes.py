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

RECENT = 512
"""Events looked back on: a unit has rarely more."""

MOST_OPEN = 100_000
"""Causes kept until they are sought in the whole log."""

_KEPT_BITS = ~(0xF << 76 | 0b11 << 62)
_VERSION_5 = 0x5 << 76 | 0b10 << 62


def event_number(aggregate_id: bytes, version: int) -> int:
    """Return an event's id as a number: a UUIDv5 of its version in the aggregate's name space."""
    name = aggregate_id + str(version).encode()
    digest = sha1(name, usedforsecurity=False).digest()
    return int.from_bytes(digest[:16], "big") & _KEPT_BITS | _VERSION_5


def names_an_event(causation_id: bytes) -> bool:
    """Return whether the cause is an event; otherwise it is a request, and in no log."""
    return causation_id[6] >> 4 == 5  # noqa: PLR2004 - a UUID's version


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
            self._seek(int.from_bytes(cause, "big"), event)
        self._recent.append((event.aggregate_id, event.version))

    def seen(self, event: LoggedEvent) -> None:
        """Take an event of the log once more: it may be what is sought."""
        number = event_number(event.aggregate_id, event.version)
        found = self._open.get(number)
        if found is not None and event.position < cast("int", found.position):
            del self._open[number]

    def missing(self) -> list[Finding]:
        """Give up what is still sought; return what there is to report, in order."""
        findings = sorted(self._open.values(), key=lambda finding: finding.position or 0)
        self._open.clear()
        return findings

    def _seek(self, cause: int, event: LoggedEvent) -> None:
        own_last = event.version - 1
        if own_last and event_number(event.aggregate_id, own_last) == cause:
            return
        for aggregate_id, version in reversed(self._recent):
            if event_number(aggregate_id, version) == cause:
                return
        # Of several effects the first counts: whatever is before it is before the others.
        if cause not in self._open:
            expected = (
                f"an earlier event with the id {UUID(int=cause)}, which it names as its cause"
            )
            self._open[cause] = event.breaks(CAUSE_EXISTS, expected)
