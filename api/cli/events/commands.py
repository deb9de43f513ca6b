"""The commands `export`, `tail` and `show`."""

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
from rich.progress import Progress

from api.cli.events.lines import print_history, sentence
from api.cli.opening.log import operated_with_keys
from api.cli.options import KeyedLogOptions, command, failure
from api.cli.screen import AsJson, console, harmless
from domain.errors import InvalidInputError, SubjectKeysUnavailableError
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
            " `job_definition:SLUG`, `schedule:ID` or `repository:APP`."
        ),
    ] = ""
    actor: Annotated[str, typer.Option(help="Who caused the event.")] = ""


@dataclass(frozen=True)
class PastFilterOptions(FilterOptions):
    """Which events of the past are wanted."""

    since: Annotated[str, typer.Option(help="ISO 8601.")] = ""
    until: Annotated[str, typer.Option(help="ISO 8601.")] = ""


POLL_S = 1.0

PAGE_EVENTS = 500


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
    out = console()

    async def run(audit: Audit, listener: Listener) -> None:
        signal = listener.signal()
        position = after
        if position is None:
            position = await audit.head()
        while True:
            page = await audit.page(wanted, position, PAGE_EVENTS)
            if as_json:
                sys.stdout.writelines(map(_line, page.events))
                sys.stdout.flush()
            elif page.events:
                names = await audit.names(page.events)
                for event in page.events:
                    out.print(sentence(event, names))
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
            " `job_definition:SLUG`, `schedule:ID`, `repository:APP`."
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
            names = await audit.names(events)
            print_history(events, names)

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
        message = f"--{option}: {issue.message}"
        raise failure(message) from None


def _with_audit(
    place: KeyedLogOptions, run: Callable[[Audit, Listener], Awaitable[None]]
) -> None:
    async def main(where: Database) -> None:
        async with _parts(where) as (audit, listener):
            await run(audit, listener)

    with operated_with_keys(place) as where:
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
