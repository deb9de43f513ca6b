"""Events for people at a terminal: what happened to what, in which attempt, and why."""

from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from rich.text import Text

from api.cli.screen import harmless, print_table
from api.process.telling.spoken import in_one_line
from domain.identifiers import event_id
from projections.envelope import Envelope

Names = Mapping[UUID, str]
"""What people call the things that events are about, by aggregate."""


def sentence(event: Envelope, names: Names) -> Text:
    """Return an event as a line."""
    place = f"{event.position:>8}  {event.at}  "
    topic = f"{event.topic:<30} "
    told = "  ".join(_told(event))
    return Text.assemble(
        (place, "dim"),
        (topic, "cyan"),
        f"{_of(event, names)}  {harmless(event.actor or '')}  ",
        (told, _style(event)),
    )


def print_history(events: Sequence[Envelope], names: Names) -> None:
    """Print a history with its causes."""
    named = {
        str(event_id(event.aggregate_id, event.version)): event for event in events
    }
    columns = ("position", "at", "event", "of", "by", "because of", "what")
    rows = [
        (
            str(event.position),
            event.at,
            Text(event.topic, "cyan"),
            _of(event, names),
            harmless(event.actor or ""),
            _because_of(event, named),
            Text("  ".join(_told(event)), _style(event)),
        )
        for event in events
    ]
    print_table(columns, rows)


def _of(event: Envelope, names: Names) -> str:
    name = names.get(event.aggregate_id)
    if name is None:
        return str(event.aggregate_id)
    return f"{harmless(name)} {event.aggregate_id}"


def _told(event: Envelope) -> Iterator[str]:
    """Yield what is worth telling of an event's fields."""
    if event.unreadable is not None:
        yield in_one_line(event.unreadable)
        return
    attempt = event.data.get("attempt")
    if attempt is not None:
        yield f"attempt {attempt}"
    reason = event.data.get("failure_reason")
    if reason is not None:
        yield f"{reason}:"
    for field in ("error_message", "error", "reason"):
        text = event.data.get(field)
        if isinstance(text, str) and text:
            yield in_one_line(text)
    retry_at = event.data.get("retry_at")
    if retry_at is not None:
        yield f"(again at {retry_at})"


def _style(event: Envelope) -> str:
    if event.data.get("error_message") or event.data.get("error"):
        return "red"
    return ""


def _because_of(event: Envelope, named: Mapping[str, Envelope]) -> str:
    """Return the event's cause: another event if that is shown, too, else a request."""
    if not event.causation_id:
        return ""
    cause = named.get(event.causation_id)
    if cause is None:
        return f"request {event.causation_id}"
    return f"{cause.topic} at {cause.position}"
