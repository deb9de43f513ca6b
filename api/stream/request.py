"""What a client of the stream asks for: from where, and which messages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from api.stream.frames import job_of
from domain.errors import InvalidInputError, Issue
from domain.jobs.run_values import STATUSES
from projections.messages import UNKNOWN, Message

TYPES: tuple[str, ...] = (
    "job.definition.deleted",
    "job.definition.paused",
    "job.definition.resumed",
    "job.definition.updated",
    *(f"job.run.{status}" for status in STATUSES),
    "job.run.updated",
    "repository.updated",
    "repository.ingestion-event",
    "build.updated",
    "subject.erased",
    "schedule.updated",
    "failure.updated",
    "failure.noted",
    "bulk.updated",
    UNKNOWN,
)
"""Every type of message that tells of an event (contract, section 5)."""

LAST_EVENT_ID = "Last-Event-ID"

_POSITION = re.compile(r"[0-9]{1,18}")
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


@dataclass(frozen=True)
class Selection:
    """Which messages a client wants; None selects all.

    Attributes:
        job: a slug in lower case; only messages of this job's runs, definitions and schedules.
    """

    types: frozenset[str] | None = None
    job: str | None = None

    def accepts(self, message: Message) -> bool:
        """Return whether the client wants this message."""
        if self.types is not None and message.type not in self.types:
            return False
        if self.job is None:
            return True
        slug = job_of(message)
        return slug is not None and slug.lower() == self.job


@dataclass(frozen=True)
class Wanted:
    """A client's request.

    Attributes:
        after: the position to resume from; None begins with the next event.
        log_id: the log that this position belongs to, if the client knows.
    """

    after: int | None = None
    log_id: str | None = None
    selection: Selection = Selection()


def wanted_of(query: Mapping[str, str], last_event_id: str | None = None) -> Wanted:
    """Return what the query asks for.

    A browser that reconnects sends the same query, and its last event's id.

    Raises:
        InvalidInputError: a position that is none, an unknown type, no slug.
    """
    if last_event_id:
        after = _position(last_event_id, f"/{LAST_EVENT_ID}")
    else:
        after = _position(query.get("after"), "/after")
    types = _types(query.get("types", ""))
    job = _job(query.get("job"))
    return Wanted(after, query.get("logId"), Selection(types, job))


def _position(text: str | None, path: str) -> int | None:
    if text is None:
        return None
    if not _POSITION.fullmatch(text):
        message = "must be a position: a whole number, 0 for the log's beginning"
        raise _invalid(path, message, "pattern")
    return int(text)


def _types(text: str) -> frozenset[str] | None:
    found: set[str] = set()
    for pattern in text.replace(",", " ").split():
        found.update(_matching(pattern))
    if not found:
        return None
    return frozenset(found)


def _matching(pattern: str) -> frozenset[str]:
    if pattern.endswith(".*"):
        beginning = pattern[:-1]
        found = frozenset(kind for kind in TYPES if kind.startswith(beginning))
    else:
        found = frozenset({pattern} & set(TYPES))
    if not found:
        known = ", ".join(TYPES)
        message = (
            f"unknown type {pattern!r}; there are {known}, and for example job.run.*"
        )
        raise _invalid("/types", message, "enum")
    return found


def _job(slug: str | None) -> str | None:
    if slug is None:
        return None
    if not _SLUG.fullmatch(slug):
        raise _invalid("/job", "must be the slug of a job", "pattern")
    return slug.lower()


def _invalid(path: str, message: str, keyword: str) -> InvalidInputError:
    return InvalidInputError([Issue(path, message, keyword)])
