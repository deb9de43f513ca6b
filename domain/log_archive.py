"""A file of archived events: the log records it by one event when its events leave for the file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.clock import cut_to_ms
from domain.identifiers import archive_id


@dataclass(frozen=True, kw_only=True)
class ArchivedEvents:
    """What a file holds.

    Attributes:
        number: the archives of a log are numbered from 1 on.
        file: its name in the archive directory.
        sha256: of the whole file, hexadecimal.
        size_bytes: of the file.
        events: their number.
        runs: the number of runs whose whole histories these are.
        first_position: of the first event.
        last_position: of the last event; not all events between the two are in the file.
        ended_before: the time before which all these runs had ended.
    """

    number: int
    file: str
    sha256: str
    size_bytes: int
    events: int
    runs: int
    first_position: int
    last_position: int
    ended_before: datetime


class LogArchive(Aggregate):
    """Aggregate of an archive. It never changes."""

    TOPIC = "log_archive"

    class Event(Aggregate.Event):
        """Base of the archive's events."""

        TOPIC = "log_archive.event"

    class Archived(Event, Aggregate.Created):
        """Events left the log for a file."""

        TOPIC = "log_archive.archived"
        number: int
        file: str
        sha256: str
        size_bytes: int
        events: int
        runs: int
        first_position: int
        last_position: int
        ended_before_at: datetime

    def __init__(self, number: int, file: str, sha256: str) -> None:
        self.number = number
        self.file = file
        self.sha256 = sha256

    @classmethod
    def record(cls, what: ArchivedEvents, log_id: UUID, now: datetime) -> LogArchive:
        """Record that these events are now in their file."""
        fields = {name: value for name, value in vars(what).items() if name != "ended_before"}
        return cls._create(
            cls.Archived,
            id=archive_id(log_id, what.number),
            timestamp=cut_to_ms(now),
            ended_before_at=cut_to_ms(what.ended_before),
            **fields,
        )
