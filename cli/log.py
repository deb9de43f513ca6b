"""`apphub-jobs log archive`: move the events of runs that ended long ago into files."""

from collections.abc import Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Annotated

import typer

from cli.log_access import open_log
from cli.options import LogOptions, command, failure
from cli.reports import View, finish, open_view
from cli.times import duration_of_option
from domain.json_values import JsonObject
from eventlog.archive.archiver import ArchivedFile, ArchivingUnderWayError, archiver
from eventlog.archive.role import ArchivistMissingError
from eventlog.database.connection import Database
from runtime.text import pluralize

log_app = typer.Typer(help="Archive the events of runs that ended long ago.", no_args_is_help=True)


@log_app.callback()
def _group() -> None:
    """Keep `archive` a subcommand, though it is the only one so far."""


MAX_AGE = timedelta(days=36_500)

_ARCHIVE = """\
Move the histories of runs that ended long ago out of the database, into compressed, verified files.

All commands and pages still show them. Keep the files: they are a part of the log."""


@command(log_app, "archive", _ARCHIVE, reads_database=True)
def archive_command(
    *,
    older_than: Annotated[
        str, typer.Option(metavar="AGE", help="How long ago a run must have ended: 90d, 12h.")
    ],
    log: LogOptions,
    json: Annotated[
        bool, typer.Option("--json", help="JSON Lines: each file, then the sum.")
    ] = False,
) -> None:
    """Move events from the database into files."""
    age = duration_of_option(older_than, "--older-than")
    if age > MAX_AGE:
        raise typer.BadParameter(f"--older-than: give at most {MAX_AGE.days}d")
    # On an operator's server only its owner makes roles.
    make_role = log.database_url is None
    with open_log(log) as database, open_view(json=json) as view:
        try:
            finish(_archive(database, age, view, make_role=make_role))
        except (ArchivingUnderWayError, ArchivistMissingError, OSError) as error:
            raise failure(error) from None


async def _archive(
    database: Database, older_than: timedelta, view: View, *, make_role: bool
) -> None:
    files: list[ArchivedFile] = []
    async with archiver(database, make_role=make_role) as archive:
        for name in archive.leftovers:
            document: JsonObject = {"kind": "leftover", "file": name}
            view.fact(document, f"{name}: no archive of this log refers to it")
        async with aclosing(archive.archive(older_than, view.progress)) as archived:
            async for file in archived:
                files.append(file)
                view.fact(file.present(), _sentence(file))
    _print_sum(files, view)


def _print_sum(files: Sequence[ArchivedFile], view: View) -> None:
    events = sum(file.events for file in files)
    runs = sum(file.runs for file in files)
    longest_hold_ms = max((file.longest_hold_ms for file in files), default=0.0)
    document: JsonObject = {
        "kind": "sum",
        "files": len(files),
        "events": events,
        "runs": runs,
        "size_bytes": sum(file.size_bytes for file in files),
        "longest_hold_ms": longest_hold_ms,
    }
    text = f"archived {pluralize(events, 'event')} of {pluralize(runs, 'run')}"
    text += f" in {pluralize(len(files), 'file')}"
    if files:
        text += f"; longest hold of the append lock {longest_hold_ms:.1f} ms"
    view.fact(document, text)


def _sentence(file: ArchivedFile) -> str:
    parts = [
        f"{pluralize(file.events, 'event')} of {pluralize(file.runs, 'run')}",
        f"positions {file.first_position} to {file.last_position}",
        f"{file.size_bytes} bytes",
    ]
    return f"{file.file}: {', '.join(parts)}"
