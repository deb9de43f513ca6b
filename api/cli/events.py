"""`apphub-jobs events`: the log for auditors at a terminal, straight from the database."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import orjson
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from api.cli.opening import archive_directory, database, keyed
from api.cli.options import Archive, DatabaseUrl, DataDir, SubjectKey, failure
from domain.errors import InvalidInputError, SubjectKeysUnavailableError
from domain.identifiers import event_id
from eventlog.archive.files import ArchiveError
from eventlog.database.connection import Database
from eventlog.database.listener import Listener
from eventlog.history.audit import Audit
from eventlog.history.event_filter import EventFilter
from projections.envelope import Envelope
from runtime.supervision import Supervision

events_app = typer.Typer(
    help="Read the log of events: who did what, when and why.", no_args_is_help=True
)

After = Annotated[int, typer.Option(min=0, help="Begin after this position.")]
Types = Annotated[
    str, typer.Option("--type", help="`job_run.started`, `job_run.*`; several with commas.")
]
Subject = Annotated[
    str,
    typer.Option(
        help="An id, `job_run:ID`, `build:ID`, `subject:KEY`, `job_definition:SLUG` or `repository:APP`."
    ),
]
Actor = Annotated[str, typer.Option(help="Who caused the event.")]
Since = Annotated[str, typer.Option(help="ISO 8601.")]
Until = Annotated[str, typer.Option(help="ISO 8601.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]

POLL_S = 1.0

PLAIN_WIDTH = 240
"""Where the output is no terminal, nobody tells its width; at this one nothing is broken into two
lines."""


@events_app.command()
def export(  # noqa: PLR0913 - one for each option
    file: Annotated[
        Path | None, typer.Argument(help="Where to write; standard output if left out.")
    ] = None,
    after: After = 0,
    type_: Types = "",
    subject: Subject = "",
    actor: Actor = "",
    since: Since = "",
    until: Until = "",
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    archive: Archive = None,
    subject_key: SubjectKey = None,
) -> None:
    """Write events as JSON Lines, in log order, however many there are."""
    wanted = _filter(type_, subject, actor, since, until)

    async def run(audit: Audit, _: Listener) -> None:
        with (
            _output(file) as output,
            Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as shown,
        ):
            task = shown.add_task("events", total=None)
            async for events in audit.everything(wanted, after):
                for event in events:
                    output.write(_line(event))
                shown.update(task, advance=len(events))

    _with_audit(data_dir, database_url, archive, subject_key, run)


@events_app.command()
def tail(  # noqa: PLR0913 - one for each option
    after: Annotated[
        int | None, typer.Option(min=0, help="Begin after this position; at the end if left out.")
    ] = None,
    type_: Types = "",
    subject: Subject = "",
    actor: Actor = "",
    as_json: AsJson = False,  # noqa: FBT002
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    archive: Archive = None,
    subject_key: SubjectKey = None,
) -> None:
    """Show events as they are appended, until Ctrl-C."""
    wanted = _filter(type_, subject, actor, "", "")
    console = _console()

    async def run(audit: Audit, listener: Listener) -> None:
        position = await audit.head() if after is None else after
        signal = listener.signal()
        while True:
            page = await audit.page(wanted, position, 500)
            for event in page.events:
                console.out(_line(event), end="") if as_json else console.print(
                    _sentence(event), highlight=False
                )
            position = page.next or max(
                page.head, position, *(event.position for event in page.events)
            )
            if page.next is None:
                await signal.wait(POLL_S)

    _with_audit(data_dir, database_url, archive, subject_key, run)


@events_app.command()
def show(  # noqa: PLR0913 - one for each option
    subject: Annotated[
        str,
        typer.Argument(
            help="An id, `job_run:ID`, `build:ID`, `subject:KEY`, `job_definition:SLUG`, `repository:APP`."
        ),
    ],
    alone: Annotated[  # noqa: FBT002
        bool, typer.Option("--alone", help="Leave out what else belongs to the same story.")
    ] = False,
    as_json: AsJson = False,  # noqa: FBT002
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    archive: Archive = None,
    subject_key: SubjectKey = None,
) -> None:
    """Show a history with its causes: the request, every attempt, and what followed from it."""
    wanted = _filter("", subject, "", "", "")

    async def run(audit: Audit, _: Listener) -> None:
        events = [event async for page in audit.everything(wanted) for event in page]
        if not events:
            raise failure(f"there are no events of {subject}")
        if not alone and events[0].correlation_id:
            story = EventFilter.parse(correlation=events[0].correlation_id)
            events = [event async for page in audit.everything(story) for event in page]
        if as_json:
            sys.stdout.writelines(map(_line, events))
        else:
            _console().print(_table(events))

    _with_audit(data_dir, database_url, archive, subject_key, run)


def _filter(types: str, subject: str, actor: str, since: str, until: str) -> EventFilter:
    try:
        return EventFilter.parse(
            types=types, subject=subject, actor=actor, since=since, until=until
        )
    except InvalidInputError as error:
        [issue] = error.issues
        raise failure(f"--{issue.path.removeprefix('/')}: {issue.message}") from None


def _with_audit(
    data_dir: Path | None,
    database_url: str | None,
    archive: Path | None,
    subject_key: Path | None,
    run: Callable[[Audit, Listener], Awaitable[None]],
) -> None:
    async def main(where: Database) -> None:
        async with _parts(where) as (audit, listener):
            await run(audit, listener)

    with database(data_dir, database_url) as (directory, url):
        where = keyed(directory, url, subject_key, archive_directory(directory, archive))
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
    return orjson.dumps(event.present(), option=orjson.OPT_APPEND_NEWLINE).decode()


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=PLAIN_WIDTH)


def _sentence(event: Envelope) -> str:
    return f"[dim]{event.position:>8}  {event.at}[/]  [cyan]{event.topic:<30}[/] {event.aggregate_id}  {event.actor or ''}"


def _table(events: list[Envelope]) -> Table:
    named = {str(event_id(event.aggregate_id, event.version)): event for event in events}
    table = Table(box=None, pad_edge=False)
    for column in ("position", "at", "event", "of", "by", "because of"):
        table.add_column(column, no_wrap=True)
    for event in events:
        cause = named.get(event.causation_id or "")
        because = f"{cause.topic} at {cause.position}" if cause else _request(event)
        table.add_row(
            str(event.position),
            event.at,
            event.topic,
            str(event.aggregate_id),
            event.actor or "",
            because,
        )
    return table


def _request(event: Envelope) -> str:
    return f"request {event.causation_id}" if event.causation_id else ""
