"""`apphub-jobs events`: export, tail and show events.

First events as lines and tables for people, then the commands with their filters.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, TextIO
from uuid import UUID

import orjson
import typer
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from cli.event_sources import (
    EventQuery,
    ServiceSource,
    Source,
    SourceOptions,
    all_pages,
    database_source,
    service_url,
    with_run_id,
)
from cli.log_access import open_log_with_keys
from cli.options import command, failure
from cli.run_ids import SHORT
from cli.service import ServiceOptions, connected
from cli.terminal import GAP, AsJson, console, harmless, print_table
from cli.times import parse_moment
from domain.errors import SubjectKeysUnavailableError
from domain.identifiers import event_id
from eventlog.archive.files import ArchiveError
from eventlog.database.connection import Database
from eventlog.history.audit import Page
from projections.envelope import Envelope
from runtime.text import in_one_line

Names = Mapping[UUID, str]
"""Names of aggregates (slug or app id), by aggregate id."""


_PROGRESS = "job_run.progressed"


def sentence(event: Envelope, names: Names) -> Text:
    """Return an event as a line."""
    return Text.assemble(
        (f"{event.position:>8}  {event.at}  ", "dim"),
        (f"{event.topic:<30} ", "cyan"),
        f"{_aggregate(event, names)}  {harmless(event.actor or '')}  ",
        ("  ".join(_details(event)), _style(event)),
    )


def print_history(events: Sequence[Envelope], names: Names, *, is_folded: bool) -> None:
    """Print a history with its causes: as a table in a pipe, as lines on a terminal.

    Args:
        events: the history, in log order.
        names: names of the events' aggregates.
        is_folded: whether consecutive reports of progress are one row.
    """
    by_id = {str(event_id(event.aggregate_id, event.version)): event for event in events}
    rows = [
        _Row(
            last,
            Text("  ".join(_details(last)), _style(last))
            if len(group) == 1
            else Text(f"{len(group)} times since {group[0].at}"),
            _cause(group[0], by_id),
        )
        for group in _groups(events, is_folded=is_folded)
        for last in group[-1:]
    ]
    if console().is_terminal:
        _print_lines(rows, names)
        return
    columns = ("position", "at", "event", "of", "by", "because of", "details")
    cells = [
        (
            str(row.event.position),
            row.event.at,
            Text(row.event.topic, "cyan"),
            _aggregate(row.event, names),
            harmless(row.event.actor or ""),
            row.cause,
            row.details,
        )
        for row in rows
    ]
    print_table(columns, cells)


@dataclass(frozen=True)
class _Row:
    """An event, or the last of several that are shown as one."""

    event: Envelope
    details: Text
    cause: str


def _groups(events: Sequence[Envelope], *, is_folded: bool) -> Iterator[Sequence[Envelope]]:
    """Yield the events, consecutive ones that are shown as one row together."""
    groups = groupby(
        events,
        key=lambda event: event.aggregate_id if is_folded and event.topic == _PROGRESS else event,
    )
    return (list(group) for _, group in groups)


def _print_lines(rows: Sequence[_Row], names: Names) -> None:
    """Print each event with its details, and below its aggregate, actor and cause."""
    out = console()
    widest = max(len(str(row.event.position)) for row in rows)
    indent = " " * (widest + len(GAP))
    width = max(out.width - len(indent), 1)
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
        details = [*row.details.wrap(out, width)] if row.details else []
        if len(details) == 1 and head.cell_len + len(GAP) + row.details.cell_len <= out.width:
            head.append(GAP).append_text(details.pop())
        below = [_short_aggregate(event, names)]
        if event.actor:
            below.append(f"by {harmless(event.actor)}")
        if row.cause:
            below.append(f"because of {row.cause}")
        below_lines = Text(", ".join(below), "dim").wrap(out, width)
        out.print(head)
        for line in (*details, *below_lines):
            line.rstrip()
            out.print(Text(indent).append_text(line))


def _short_aggregate(event: Envelope, names: Names) -> str:
    start = str(event.aggregate_id)[:SHORT]
    name = names.get(event.aggregate_id)
    return f"{harmless(name)} {start}" if name else start


def _aggregate(event: Envelope, names: Names) -> str:
    name = names.get(event.aggregate_id)
    if name is None:
        return str(event.aggregate_id)
    return f"{harmless(name)} {event.aggregate_id}"


def _details(event: Envelope) -> Iterator[str]:
    """Yield the fields of an event that matter to people."""
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


def _cause(event: Envelope, by_id: Mapping[str, Envelope]) -> str:
    """Return the event's cause: an event if it is among those by id, else a request."""
    if not event.causation_id:
        return ""
    cause = by_id.get(event.causation_id)
    if cause is None:
        return f"request {event.causation_id}"
    return f"{cause.topic} at {cause.position}"


events_app = typer.Typer(
    help="Read the log of events: who did what, when and why.", no_args_is_help=True
)


@dataclass(frozen=True)
class FilterOptions:
    """A filter of events."""

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
    """A filter of past events."""

    since: Annotated[
        str, typer.Option(metavar="TIME", help="Recorded then or later, such as 2h ago: 2h.")
    ] = ""
    until: Annotated[
        str, typer.Option(metavar="TIME", help="Recorded before then, such as yesterday.")
    ] = ""


@command(events_app)
def export(
    *,
    file: Annotated[
        Path | None, typer.Argument(help="Where to write; standard output if left out.")
    ] = None,
    after: Annotated[int, typer.Option(min=0, help="Begin after this position.")] = 0,
    filters: PastFilterOptions,
    options: SourceOptions,
    context: typer.Context,
) -> None:
    """Write events as JSON Lines, in log order, however many there are."""
    now = datetime.now(UTC)
    since = parse_moment(filters.since, "--since", now)
    until = parse_moment(filters.until, "--until", now)
    query = _query(filters, since=since, until=until)
    bar = Progress(console=Console(stderr=True), disable=not sys.stderr.isatty())

    async def run(source: Source) -> None:
        full_query = await with_run_id(source, query)
        with _output(file) as output, bar:
            task = bar.add_task("events", total=None)
            async for events in all_pages(source, full_query, after):
                output.writelines(map(_line, events))
                bar.update(task, advance=len(events))

    _with_source(context, options, run)


TAIL_PAGE = 500


@command(events_app)
def tail(
    *,
    after: Annotated[
        int | None, typer.Option(min=0, help="Begin after this position; at the end if left out.")
    ] = None,
    filters: FilterOptions,
    as_json: AsJson = False,
    options: SourceOptions,
    context: typer.Context,
) -> None:
    """Show events as they are appended, until Ctrl-C."""
    query = _query(filters)
    out = console()

    async def run(source: Source) -> None:
        full_query = await with_run_id(source, query)
        position = await source.head() if after is None else after
        while True:
            page = await source.page(full_query, position, TAIL_PAGE)
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

    _with_source(context, options, run)


def _position_after(page: Page, after: int) -> int:
    """Return the position after which the next page begins; at the end, the log's head."""
    if page.next:
        return page.next
    return max(page.head, after, *(event.position for event in page.events))


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
        bool, typer.Option("--alone", help="Leave out other events with the same correlation id.")
    ] = False,
    progress: Annotated[
        bool, typer.Option("--progress", help="Show each report of progress in a row of its own.")
    ] = False,
    as_json: AsJson = False,
    options: SourceOptions,
    context: typer.Context,
) -> None:
    """Show a history with its causes: the request, every attempt, and what followed from it."""

    async def run(source: Source) -> None:
        query = await with_run_id(source, EventQuery(subject=subject))
        events = await _all_events(source, query)
        if not events:
            raise failure(f"there are no events of {subject}")
        correlation_id = events[0].correlation_id
        if correlation_id and not alone:
            events = await _all_events(source, EventQuery(correlation=correlation_id))
        if as_json:
            sys.stdout.writelines(map(_line, events))
        else:
            names = await source.names(events)
            print_history(events, names, is_folded=not progress)

    _with_source(context, options, run)


async def _all_events(source: Source, query: EventQuery) -> list[Envelope]:
    return [event async for page in all_pages(source, query) for event in page]


def _query(filters: FilterOptions, since: str = "", until: str = "") -> EventQuery:
    return EventQuery(
        type=filters.type_, subject=filters.subject, actor=filters.actor, since=since, until=until
    )


def _with_source(
    context: typer.Context,
    options: SourceOptions,
    run: Callable[[Source], Coroutine[Any, Any, None]],
) -> None:
    url = service_url(context, options)
    try:
        if url is None:
            _with_database(options, run)
        else:
            with connected(ServiceOptions(url, options.token, options.data_dir)) as client:
                asyncio.run(run(ServiceSource(client)))
    except (KeyboardInterrupt, BrokenPipeError):
        raise typer.Exit(0) from None


def _with_database(options: SourceOptions, run: Callable[[Source], Awaitable[None]]) -> None:
    async def main(database: Database) -> None:
        async with database_source(database) as source:
            await run(source)

    with open_log_with_keys(options) as database:
        try:
            asyncio.run(main(database))
        except (ArchiveError, SubjectKeysUnavailableError) as error:
            raise failure(error) from None


@contextmanager
def _output(file: Path | None) -> Iterator[TextIO]:
    """Open the file for writing; it appears complete, or not at all."""
    if file is None:
        yield sys.stdout
        return
    unfinished = file.parent / f".{file.name}.unfinished"
    try:
        with unfinished.open("w", encoding="utf-8") as output:
            yield output
        unfinished.replace(file)
    except OSError as error:
        if error.strerror is None:  # It is not about the file.
            raise
        raise failure(f"{file} cannot be written: {error.strerror}") from None
    finally:
        with suppress(OSError):
            unfinished.unlink()


def _line(event: Envelope) -> str:
    return f"{harmless(orjson.dumps(event.present()).decode())}\n"
