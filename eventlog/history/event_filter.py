"""Which events an auditor wants, and how that is said in a query or on the command line."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from uuid import UUID

from domain import identifiers
from domain.clock import from_iso
from domain.errors import InvalidInputError, Issue
from domain.topics import EVENTS
from projections.envelope import EventRow
from projections.tables import BY_SUBJECT

KINDS = (*BY_SUBJECT, "log_archive")
"""What a subject may be; archives have no table."""

_DERIVED: dict[str, Callable[[str], UUID]] = {
    "job_definition": identifiers.definition_id,
    "repository": identifiers.repository_id,
    "schedule": identifiers.schedule_id,
    "failure_group": identifiers.failure_group_id,
}
"""Ids that follow from what clients call something."""


@dataclass(frozen=True, kw_only=True)
class EventFilter:
    """Which events; what is left out selects all.

    Attributes:
        types: any of these, each a topic such as `job_run.started` or a beginning such as
            `job_run.*`.
        kind: of which kind of aggregate, such as `job_run`.
        aggregate_id: whose.
        actor: who caused them.
        correlation_id: which request all of it goes back to.
        since: not recorded before this moment.
        until: recorded before this moment.
    """

    types: Sequence[str] = ()
    kind: str | None = None
    aggregate_id: UUID | None = None
    actor: str | None = None
    correlation_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_indexed(self) -> bool:
        """Return whether an index finds these events, so that looking needs no bound."""
        return self.aggregate_id is not None or self.correlation_id is not None

    def lets_pass(self, row: EventRow) -> bool:
        """Return whether an event is wanted; for what no query can look at.

        Of a correlation it looks at the event alone: the history must go back to the same request,
        too.
        """
        topic = row["topic"]
        if self.types and not _is_any_of(topic, self.types):
            return False
        if self.kind is not None and not topic.startswith(f"{self.kind}."):
            return False
        if not _is_or_any(self.aggregate_id, row["originator_id"]):
            return False
        if not _is_or_any(self.actor, row["actor"]):
            return False
        if not _is_or_any(self.correlation_id, row["correlation_id"]):
            return False
        return self.until is None or from_iso(row["recorded_at"]) < self.until

    @classmethod
    def parse(  # noqa: PLR0913 - one for each part
        cls,
        *,
        types: str = "",
        subject: str = "",
        actor: str = "",
        correlation: str = "",
        since: str = "",
        until: str = "",
    ) -> "EventFilter":
        """Read the parts of a filter; an empty one selects all.

        Args:
            types: topics or beginnings such as `job_run.*`, with commas between them.
            subject: an id; a kind; or `job_run:ID`, `build:ID`, `job_definition:SLUG`,
                `repository:APP`, `schedule:NAME`,
                `failure_group:FINGERPRINT`, `bulk_operation:ID`.
            actor: a principal, `worker:ID` or `system`.
            correlation: a correlation id.
            since: ISO 8601.
            until: ISO 8601.

        Raises:
            InvalidInputError: names the part, as `/type`, `/subject` and so on.
        """
        for path, text in {
            "/type": types,
            "/subject": subject,
            "/actor": actor,
        }.items():
            if "\x00" in text:
                raise InvalidInputError([Issue(path, "a NUL character", "pattern")])
        kind, aggregate_id = _subject(subject)
        return cls(
            types=_types(types),
            kind=kind,
            aggregate_id=aggregate_id,
            actor=actor or None,
            correlation_id=_correlation(correlation),
            since=_time(since, "/since"),
            until=_time(until, "/until"),
        )


def _types(text: str) -> list[str]:
    wanted = text.replace(",", " ").split()
    for one in wanted:
        if not any(_matches(topic, one) for topic in EVENTS):
            message = f"there is no type {one!r}; {_remedy(one)}"
            raise InvalidInputError([Issue("/type", message, "enum")])
    return wanted


def _is_any_of(topic: str, types: Sequence[str]) -> bool:
    return any(_matches(topic, wanted) for wanted in types)


def _is_or_any(wanted: UUID | str | None, found: str | None) -> bool:
    """Return whether something is what is wanted; None wants anything."""
    if wanted is None:
        return True
    return str(wanted) == found


def _remedy(unknown: str) -> str:
    """Return what may have been meant, else what there is."""
    _, _, word = unknown.rpartition(".")
    named_so = [topic for topic in EVENTS if topic.endswith(f"_{word}")]
    similar = named_so or get_close_matches(unknown, EVENTS, n=3, cutoff=0.6)
    if similar:
        topics = ", ".join(similar)
        return f"did you mean {topics}?"
    kinds: set[str] = set()
    for topic in EVENTS:
        kind, _, _ = topic.partition(".")
        kinds.add(kind)
    patterns = [f"{kind}.*" for kind in sorted(kinds)]
    known = ", ".join(patterns)
    return f"there are {known}, and for example job_run.started"


def _matches(topic: str, wanted: str) -> bool:
    if wanted.endswith("*"):
        return topic.startswith(wanted[:-1])
    return topic == wanted


def _subject(text: str) -> tuple[str | None, UUID | None]:
    """Return the kind of aggregate and its id; either may be missing."""
    kind, colon, name = text.partition(":")
    if not text:
        return None, None
    if not colon:
        if text in KINDS:
            return text, None
        return None, _uuid(text, "/subject")
    match kind:
        case "job_definition" | "repository" | "schedule" | "failure_group":
            return kind, _DERIVED[kind](name)
        case "job_run" | "build" | "subject" | "log_archive" | "bulk_operation":
            return kind, _uuid(name, "/subject")
        case _:
            message = f"there is no {kind!r}; there are {', '.join(KINDS)}"
            raise InvalidInputError([Issue("/subject", message, "enum")])


def _correlation(text: str) -> UUID | None:
    if not text:
        return None
    return _uuid(text, "/correlation")


def _uuid(text: str, path: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidInputError([Issue(path, f"{text!r} is no id", "format")]) from None


def _time(text: str, path: str) -> datetime | None:
    if not text:
        return None
    try:
        return from_iso(text)
    except (ValueError, OverflowError):
        message = "must be a time such as 2026-11-24T14:31:04.123Z"
        raise InvalidInputError([Issue(path, message, "format")]) from None
