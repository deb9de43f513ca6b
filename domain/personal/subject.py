"""A subject: somebody whom personal data are about. The log knows of one only that it was erased.

Its id is that of the key by which its data were encrypted: random, and of no meaning once the key
is gone. So version 0 of this aggregate means that the key is in use, which units that use it expect
(`domain.ports.Unit.personal`).
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.clock import cut_to_ms


class Subject(Aggregate):
    """Aggregate of a subject under one key.

    Who comes back later gets another key, and is another subject.
    """

    TOPIC = "subject"

    class Event(Aggregate.Event):
        """Base of the subject's events."""

        TOPIC = "subject.event"

    class Erased(Event, Aggregate.Created):
        """The subject's key is destroyed: what was encrypted by it cannot be read any more.

        `runs` is in how many runs that was.
        """

        TOPIC = "subject.erased"
        reason: str | None
        runs: int

    def __init__(self, reason: str | None, runs: int) -> None:
        self.reason = reason
        self.runs = runs

    @classmethod
    def erase(
        cls, key_id: UUID, reason: str | None, runs: int, now: datetime
    ) -> Subject:
        """Record the erasure of the subject whose key this is, and whose data so many runs held."""
        return cls._create(
            cls.Erased, id=key_id, timestamp=cut_to_ms(now), reason=reason, runs=runs
        )
