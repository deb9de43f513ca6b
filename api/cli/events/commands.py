"""The commands `export`, `tail` and `show`."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TextIO

import orjson
import typer
from rich.console import Console
from rich.progress import Progress

from api.cli.daily.service import ServiceOptions, connected
from api.cli.events.lines import print_history, sentence
from api.cli.events.sources import (
    ServiceSource,
    Source,
    SourceOptions,
    Wanted,
    database_source,
    everything,
    service_url,
    with_run_id,
)
from api.cli.opening.log import operated_with_keys
from api.cli.options import command, failure
from api.cli.screen import AsJson, console, harmless
from domain.errors import SubjectKeysUnavailableError
from eventlog.archive.files import ArchiveError
from eventlog.database.connection import Database
from eventlog.history.audit import Page
from projections.envelope import Envelope

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
            help="An id, the start of a run's, or `last` for the newest run; `job_run:ID`,"
            " `build:ID`, `subject:KEY`, `job_definition:SLUG`, `schedule:ID` or"
            " `repository:APP`."
        ),
    ] = ""
    actor: Annotated[str, typer.Option(help="Who caused the event.")] = ""


@dataclass(frozen=True)
class PastFilterOptions(FilterOptions):
    """Which events of the past are wanted."""

    since: Annotated[str, typer.Option(help="ISO 8601.")] = ""
    until: Annotated[str, typer.Option(help="ISO 8601.")] = ""


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
    wanted = _wanted(which, since=which.since, until=which.until)
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
        int | None,
        typer.Option(min=0, help="Begin after this position; at the end if left out."),
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
        bool,
        typer.Option("--alone", help="Leave out what else belongs to the same story."),
    ] = False,
    progress: Annotated[
        bool,
        typer.Option(
            "--progress", help="Show each report of progress; else many are one line."
        ),
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
        type=which.type_,
        subject=which.subject,
        actor=which.actor,
        since=since,
        until=until,
    )


def _with_source(
    context: typer.Context,
    place: SourceOptions,
    run: Callable[[Source], Awaitable[None]],
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


def _with_database(
    place: SourceOptions, run: Callable[[Source], Awaitable[None]]
) -> None:
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
