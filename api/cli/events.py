"""`apphub-jobs events`: the log for auditors at a terminal, straight from the database."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TextIO

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from api.cli.opening import archive_directory, database, keyed
from api.cli.options import KeyedLogOptions, command, failure
from api.cli.terminal import harmless
from domain.errors import InvalidInputError, SubjectKeysUnavailableError
from domain.identifiers import event_id
from eventlog.archive.files import ArchiveError
from eventlog.database.connection import Database
from eventlog.database.listener import Listener
from eventlog.history.audit import Audit, Page
from eventlog.history.event_filter import EventFilter
from projections.envelope import Envelope
from runtime.supervision import Supervision

events_app = typer.Typer(
    help="Read the log of events: who did what, when and why.", no_args_is_help=True
)


@dataclass(frozen=True)
class FilterOptions:
    """Which events are wanted."""

    type_: Annotated[
        str,
        typer.Option(
            "--type", help="`job_run.started`, `job_run.*`; several with commas."
        ),
    ] = ""
    subject: Annotated[
        str,
        typer.Option(
            help="An id, `job_run:ID`, `build:ID`, `subject:KEY`,"
            " `job_definition:SLUG` or `repository:APP`."
        ),
    ] = ""
    actor: Annotated[str, typer.Option(help="Who caused the event.")] = ""


@dataclass(frozen=True)
class PastFilterOptions(FilterOptions):
    """Which events of the past are wanted."""

    since: Annotated[str, typer.Option(help="ISO 8601.")] = ""
    until: Annotated[str, typer.Option(help="ISO 8601.")] = ""


AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]

POLL_S = 1.0

PAGE_EVENTS = 500

PLAIN_WIDTH = 240
"""Where the output is no terminal, nobody tells its width; at this one no line is broken in two."""


@command(events_app)
def export(
    *,
    file: Annotated[
        Path | None, typer.Argument(help="Where to write; standard output if left out.")
    ] = None,
    after: Annotated[int, typer.Option(min=0, help="Begin after this position.")] = 0,
    which: PastFilterOptions,
    place: KeyedLogOptions,
) -> None:
    """Write events as JSON Lines, in log order, however many there are."""
    wanted = _filter(which, since=which.since, until=which.until)
    is_terminal = sys.stderr.isatty()
    bar = Progress(console=Console(stderr=True), disable=not is_terminal)

    async def run(audit: Audit, _: Listener) -> None:
        with _output(file) as output, bar:
            task = bar.add_task("events", total=None)
            async for events in audit.everything(wanted, after):
                output.writelines(map(_line, events))
                bar.update(task, advance=len(events))

    _with_audit(place, run)


@command(events_app)
def tail(
    *,
    after: Annotated[
        int | None,
        typer.Option(min=0, help="Begin after this position; at the end if left out."),
    ] = None,
    which: FilterOptions,
    as_json: AsJson = False,
    place: KeyedLogOptions,
) -> None:
    """Show events as they are appended, until Ctrl-C."""
    wanted = _filter(which)
    console = _console()

    async def run(audit: Audit, listener: Listener) -> None:
        signal = listener.signal()
        position = after
        if position is None:
            position = await audit.head()
        while True:
            page = await audit.page(wanted, position, PAGE_EVENTS)
            for event in page.events:
                if as_json:
                    console.out(_line(event), end="")
                else:
                    console.print(_sentence(event), highlight=False)
            position = _position_after(page, position)
            if page.next is None:
                await signal.wait(POLL_S)

    _with_audit(place, run)


def _position_after(page: Page, asked: int) -> int:
    """Return where the next page begins; at the end, behind all that was seen or left out."""
    if page.next:
        return page.next
    positions = [event.position for event in page.events]
    return max(page.head, asked, *positions)


@command(events_app)
def show(
    *,
    subject: Annotated[
        str,
        typer.Argument(
            help="An id, `job_run:ID`, `build:ID`, `subject:KEY`,"
            " `job_definition:SLUG`, `repository:APP`."
        ),
    ],
    alone: Annotated[
        bool,
        typer.Option("--alone", help="Leave out what else belongs to the same story."),
    ] = False,
    as_json: AsJson = False,
    place: KeyedLogOptions,
) -> None:
    """Show a history with its causes: the request, every attempt, and what followed from it."""
    wanted = _filter(FilterOptions(subject=subject))

    async def run(audit: Audit, _: Listener) -> None:
        events = await _all_events(audit, wanted)
        if not events:
            raise failure(f"there are no events of {subject}")
        story = events[0].correlation_id
        if story and not alone:
            events = await _all_events(audit, EventFilter.parse(correlation=story))
        if as_json:
            sys.stdout.writelines(map(_line, events))
        else:
            _console().print(_table(events))

    _with_audit(place, run)


async def _all_events(audit: Audit, wanted: EventFilter) -> list[Envelope]:
    return [event async for page in audit.everything(wanted) for event in page]


def _filter(which: FilterOptions, since: str = "", until: str = "") -> EventFilter:
    try:
        return EventFilter.parse(
            types=which.type_,
            subject=which.subject,
            actor=which.actor,
            since=since,
            until=until,
        )
    except InvalidInputError as error:
        [issue] = error.issues
        option = issue.path.removeprefix("/")
        raise failure(f"--{option}: {issue.message}") from None


def _with_audit(
    place: KeyedLogOptions, run: Callable[[Audit, Listener], Awaitable[None]]
) -> None:
    async def main(where: Database) -> None:
        async with _parts(where) as (audit, listener):
            await run(audit, listener)

    with database(place) as (directory, url):
        archive = archive_directory(directory, place.archive)
        where = keyed(directory, url, place.subject_key, archive)
        try:
            asyncio.run(main(where))
        except (KeyboardInterrupt, BrokenPipeError):
            raise typer.Exit(0) from None
        except (ArchiveError, SubjectKeysUnavailableError) as error:
            raise failure(error) from None


@asynccontextmanager
async def _parts(where: Database) -> AsyncIterator[tuple[Audit, Listener]]:
    listener = Listener(where)
    async with where.pool(2) as pool:
        await listener.start(Supervision())
        try:
            yield Audit(pool, where.files), listener
        finally:
            await listener.stop()


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


def _console() -> Console:
    console = Console()
    if console.is_terminal:
        return console
    return Console(width=PLAIN_WIDTH)


def _sentence(event: Envelope) -> str:
    place = f"{event.position:>8}"
    topic = f"{event.topic:<30}"
    actor = escape(harmless(event.actor or ""))
    return (
        f"[dim]{place}  {event.at}[/]  [cyan]{topic}[/] {event.aggregate_id}  {actor}"
    )


def _table(events: list[Envelope]) -> Table:
    named = {
        str(event_id(event.aggregate_id, event.version)): event for event in events
    }
    table = Table(box=None, pad_edge=False)
    for column in ("position", "at", "event", "of", "by", "because of"):
        table.add_column(column, no_wrap=True)
    for event in events:
        table.add_row(
            str(event.position),
            event.at,
            event.topic,
            str(event.aggregate_id),
            Text(harmless(event.actor or "")),
            _because_of(event, named),
        )
    return table


def _because_of(event: Envelope, named: dict[str, Envelope]) -> str:
    """Return the event's cause: another event if that is shown, too, else a request."""
    if not event.causation_id:
        return ""
    cause = named.get(event.causation_id)
    if cause is None:
        return f"request {event.causation_id}"
    return f"{cause.topic} at {cause.position}"
