"""Events for people at a terminal: what happened to what, in which attempt, and why."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

from rich.text import Text

from api.cli.daily.run_ids import SHORT
from api.cli.screen import GAP, console, harmless, print_table
from api.process.telling.spoken import in_one_line
from domain.identifiers import event_id
from projections.envelope import Envelope

Names = Mapping[UUID, str]
"""What people call the things that events are about, by aggregate."""


_PROGRESS = "job_run.progressed"


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


def print_history(events: Sequence[Envelope], names: Names, *, is_folded: bool) -> None:
    """Print a history with its causes: as a table in a pipe, as two lines an event on a terminal.

    Args:
        events: the history.
        names: of what the events are about.
        is_folded: whether reports of progress that follow each other are one row.
    """
    named = {
        str(event_id(event.aggregate_id, event.version)): event for event in events
    }
    rows = [
        _Row(
            last,
            Text("  ".join(_told(last)), _style(last))
            if len(group) == 1
            else Text(f"{len(group)} times since {group[0].at}"),
            _because_of(group[0], named),
        )
        for group in _groups(events, is_folded=is_folded)
        for last in group[-1:]
    ]
    if console().is_terminal:
        _print_lines(rows, names)
        return
    columns = ("position", "at", "event", "of", "by", "because of", "what")
    cells = [
        (
            str(row.event.position),
            row.event.at,
            Text(row.event.topic, "cyan"),
            _of(row.event, names),
            harmless(row.event.actor or ""),
            row.cause,
            row.told,
        )
        for row in rows
    ]
    print_table(columns, cells)


@dataclass(frozen=True)
class _Row:
    """An event, or the last of several like it; what is told of it, and what caused it."""

    event: Envelope
    told: Text
    cause: str


def _groups(
    events: Sequence[Envelope], *, is_folded: bool
) -> Iterator[Sequence[Envelope]]:
    """Yield the events, those together that are shown as one."""
    groups = groupby(
        events,
        key=lambda event: (
            event.aggregate_id if is_folded and event.topic == _PROGRESS else event
        ),
    )
    return (list(group) for _, group in groups)


def _print_lines(rows: Sequence[_Row], names: Names) -> None:
    """Print each event with what is told of it, and below whose it is, by whom, and why."""
    out = console()
    widest = max(len(str(row.event.position)) for row in rows)
    indent = " " * (widest + len(GAP))
    day = ""
    for row in rows:
        event = row.event
        today, _, time = event.at.partition("T")
        if today != day:
            day = today
            out.print(Text(day, "bold"))
        head = Text.assemble(
            (f"{event.position:>{widest}}{GAP}{time}{GAP}", "dim"),
            (event.topic, "cyan"),
        )
        told = [*row.told.wrap(out, out.width - len(indent))] if row.told else []
        if len(told) == 1 and head.cell_len + len(GAP) + row.told.cell_len <= out.width:
            head.append(GAP).append_text(told.pop())
        below = [_named(event, names)]
        if event.actor:
            below.append(f"by {harmless(event.actor)}")
        if row.cause:
            below.append(f"because of {row.cause}")
        about = Text(", ".join(below), "dim").wrap(out, out.width - len(indent))
        out.print(head)
        for line in (*told, *about):
            line.rstrip()
            out.print(Text(indent).append_text(line))


def _named(event: Envelope, names: Names) -> str:
    start = str(event.aggregate_id)[:SHORT]
    name = names.get(event.aggregate_id)
    return f"{harmless(name)} {start}" if name else start


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
