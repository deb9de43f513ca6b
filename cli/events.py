"""The commands `export`, `tail` and `show`.

First events as people read them at a terminal: what happened to what, in which attempt, and why.
Then the commands with their filters.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Annotated, TextIO
from uuid import UUID

import orjson
import typer
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from cli.event_sources import (
    ServiceSource,
    Source,
    SourceOptions,
    Wanted,
    database_source,
    everything,
    service_url,
    with_run_id,
)
from cli.log_access import operated_with_keys
from cli.options import command, failure
from cli.run_ids import SHORT
from cli.run_lines import in_one_line
from cli.service import ServiceOptions, connected
from cli.terminal import GAP, AsJson, console, harmless, print_table
from cli.times import given_moment
from domain.errors import SubjectKeysUnavailableError
from domain.identifiers import event_id
from eventlog.archive.files import ArchiveError
from eventlog.database.connection import Database
from eventlog.history.audit import Page
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
    named = {str(event_id(event.aggregate_id, event.version)): event for event in events}
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


def _groups(events: Sequence[Envelope], *, is_folded: bool) -> Iterator[Sequence[Envelope]]:
    """Yield the events, those together that are shown as one."""
    groups = groupby(
        events,
        key=lambda event: event.aggregate_id if is_folded and event.topic == _PROGRESS else event,
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
            (f"{event.position:>{widest}}{GAP}{time}{GAP}", "dim"), (event.topic, "cyan")
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


events_app = typer.Typer(
    help="Read the log of events: who did what, when and why.", no_args_is_help=True
)


@dataclass(frozen=True)
class FilterOptions:
    """Which events are wanted."""

    type_: Annotated[
        str, typer.Option("--type", help="`job_run.started`, `job_run.*`; several with commas.")
    ] = ""
    subject: Annotated[
        str,
        typer.Option(
            help="An id, the start of a run's, or `last` for the newest run; `job_run:ID`,"
            " `build:ID`, `subject:KEY`, `job_definition:SLUG`, `schedule:ID` or"
            " `repository:APP`."
        ),
    ] = ""
    actor: Annotated[str, typer.Option(help="Who caused the event.")] = ""


@dataclass(frozen=True)
class PastFilterOptions(FilterOptions):
    """Which events of the past are wanted."""

    since: Annotated[
        str, typer.Option(metavar="TIME", help="Recorded then or later, such as 2h ago: 2h.")
    ] = ""
    until: Annotated[
        str, typer.Option(metavar="TIME", help="Recorded before then, such as yesterday.")
    ] = ""


PAGE_EVENTS = 500


@command(events_app)
def export(
    *,
    file: Annotated[
        Path | None, typer.Argument(help="Where to write; standard output if left out.")
    ] = None,
    after: Annotated[int, typer.Option(min=0, help="Begin after this position.")] = 0,
    which: PastFilterOptions,
    place: SourceOptions,
    context: typer.Context,
) -> None:
    """Write events as JSON Lines, in log order, however many there are."""
    now = datetime.now(UTC)
    since = given_moment(which.since, "--since", now)
    until = given_moment(which.until, "--until", now)
    wanted = _wanted(which, since=since, until=until)
    is_terminal = sys.stderr.isatty()
    bar = Progress(console=Console(stderr=True), disable=not is_terminal)

    async def run(source: Source) -> None:
        which_run = await with_run_id(source, wanted)
        with _output(file) as output, bar:
            task = bar.add_task("events", total=None)
            async for events in everything(source, which_run, after):
                output.writelines(map(_line, events))
                bar.update(task, advance=len(events))

    _with_source(context, place, run)


@command(events_app)
def tail(
    *,
    after: Annotated[
        int | None, typer.Option(min=0, help="Begin after this position; at the end if left out.")
    ] = None,
    which: FilterOptions,
    as_json: AsJson = False,
    place: SourceOptions,
    context: typer.Context,
) -> None:
    """Show events as they are appended, until Ctrl-C."""
    wanted = _wanted(which)
    out = console()

    async def run(source: Source) -> None:
        which_run = await with_run_id(source, wanted)
        position = after
        if position is None:
            position = await source.head()
        while True:
            page = await source.page(which_run, position, PAGE_EVENTS)
            if as_json:
                sys.stdout.writelines(map(_line, page.events))
                sys.stdout.flush()
            elif page.events:
                names = await source.names(page.events)
                for event in page.events:
                    out.print(sentence(event, names))
            position = _position_after(page, position)
            if page.next is None:
                await source.wait()

    _with_source(context, place, run)


def _position_after(page: Page, asked: int) -> int:
    """Return where the next page begins; at the end, behind all that was seen or left out."""
    if page.next:
        return page.next
    positions = [event.position for event in page.events]
    return max(page.head, asked, *positions)


@command(events_app)
def show(  # noqa: PLR0913 - one for each option
    *,
    subject: Annotated[
        str,
        typer.Argument(
            help="An id, the start of a run's, or `last` for the newest run; `job_run:ID`,"
            " `build:ID`, `subject:KEY`, `job_definition:SLUG`, `schedule:ID`,"
            " `repository:APP`."
        ),
    ],
    alone: Annotated[
        bool, typer.Option("--alone", help="Leave out what else belongs to the same story.")
    ] = False,
    progress: Annotated[
        bool,
        typer.Option("--progress", help="Show each report of progress; else many are one line."),
    ] = False,
    as_json: AsJson = False,
    place: SourceOptions,
    context: typer.Context,
) -> None:
    """Show a history with its causes: the request, every attempt, and what followed from it."""

    async def run(source: Source) -> None:
        wanted = await with_run_id(source, Wanted(subject=subject))
        events = await _all_events(source, wanted)
        if not events:
            raise failure(f"there are no events of {subject}")
        story = events[0].correlation_id
        if story and not alone:
            events = await _all_events(source, Wanted(correlation=story))
        if as_json:
            sys.stdout.writelines(map(_line, events))
        else:
            names = await source.names(events)
            print_history(events, names, is_folded=not progress)

    _with_source(context, place, run)


async def _all_events(source: Source, wanted: Wanted) -> list[Envelope]:
    return [event async for page in everything(source, wanted) for event in page]


def _wanted(which: FilterOptions, since: str = "", until: str = "") -> Wanted:
    return Wanted(
        type=which.type_, subject=which.subject, actor=which.actor, since=since, until=until
    )


def _with_source(
    context: typer.Context, place: SourceOptions, run: Callable[[Source], Awaitable[None]]
) -> None:
    url = service_url(context, place)
    try:
        if url is None:
            _with_database(place, run)
        else:
            to = ServiceOptions(url, place.token, place.data_dir)
            with connected(to) as client:
                asyncio.run(_awaited(run(ServiceSource(client))))
    except (KeyboardInterrupt, BrokenPipeError):
        raise typer.Exit(0) from None


async def _awaited(main: Awaitable[None]) -> None:
    await main


def _with_database(place: SourceOptions, run: Callable[[Source], Awaitable[None]]) -> None:
    async def main(where: Database) -> None:
        async with database_source(where) as source:
            await run(source)

    with operated_with_keys(place) as where:
        try:
            asyncio.run(main(where))
        except (ArchiveError, SubjectKeysUnavailableError) as error:
            raise failure(error) from None


@contextmanager
def _output(file: Path | None) -> Iterator[TextIO]:
    """Give where to write. A file appears whole or not at all."""
    if file is None:
        yield sys.stdout
        return
    unfinished = file.with_name(f".{file.name}.unfinished")
    try:
        with unfinished.open("w", encoding="utf-8") as output:
            yield output
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def _line(event: Envelope) -> str:
    text = orjson.dumps(event.present()).decode()
    return f"{harmless(text)}\n"
