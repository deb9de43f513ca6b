"""`apphub-jobs log archive`: move the events of runs that ended long ago into files."""

import re
from collections.abc import Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Annotated

import typer

from cli.log_access import operated
from cli.options import LogOptions, command, failure
from cli.reports import View, finish, shown
from domain.json_values import JsonObject
from eventlog.archive.archiver import Archived, ArchivingUnderWayError, archiver
from eventlog.archive.role import ArchivistMissingError
from eventlog.database.connection import Database

app = typer.Typer(help="The log of events as a whole.", no_args_is_help=True)

_UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}


@app.callback()
def _group() -> None:
    """Keep `archive` a command of its own, though it is the only one so far."""


def _age(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,6})([dhms])", text.strip())
    if found is None:
        raise typer.BadParameter("an age is a number and d, h, m or s: for example 90d")
    number, letter = found.groups()
    unit = _UNITS[letter]
    return int(number) * unit


_ARCHIVE = """\
Move the whole histories of runs that ended long ago out of the database, into compressed, \
verified files.

Everything goes on showing them. Keep the files: they are a part of the log."""


@command(app, "archive", _ARCHIVE, reads_database=True)
def archive_command(
    *,
    older_than: Annotated[
        timedelta,
        typer.Option(
            parser=_age, metavar="AGE", help="How long ago a run must have ended: 90d, 12h."
        ),
    ],
    place: LogOptions,
    json: Annotated[
        bool, typer.Option("--json", help="JSON Lines: each file, then the sum.")
    ] = False,
) -> None:
    """Move events from the database into files."""
    # On somebody else's server, to make roles is its owner's business.
    make_role = place.database_url is None
    with operated(place) as opened, shown(json=json) as view:
        archiving = _archive(opened, older_than, view, make_role=make_role)
        try:
            finish(archiving)
        except (ArchivingUnderWayError, ArchivistMissingError, OSError) as error:
            raise failure(error) from None


async def _archive(opened: Database, older_than: timedelta, view: View, *, make_role: bool) -> None:
    files: list[Archived] = []
    async with archiver(opened, make_role=make_role) as one:
        for name in one.leftovers:
            document: JsonObject = {"kind": "leftover", "file": name}
            text = f"{name}: no archive of this log refers to it"
            view.fact(document, text)
        async with aclosing(one.archive(older_than, view.progress)) as archived:
            async for file in archived:
                files.append(file)
                view.fact(file.present(), _sentence(file))
    _show_sum(files, view)


def _show_sum(files: Sequence[Archived], view: View) -> None:
    count = len(files)
    events = 0
    runs = 0
    size_bytes = 0
    longest_hold_ms = 0.0
    for file in files:
        events += file.events
        runs += file.runs
        size_bytes += file.size_bytes
        longest_hold_ms = max(longest_hold_ms, file.longest_hold_ms)
    document: JsonObject = {
        "kind": "sum",
        "files": count,
        "events": events,
        "runs": runs,
        "size_bytes": size_bytes,
        "longest_hold_ms": longest_hold_ms,
    }
    text = f"archived {events} events of {runs} runs in {count} files"
    if files:
        text += f"; longest hold of the append lock {longest_hold_ms:.1f} ms"
    view.fact(document, text)


def _sentence(file: Archived) -> str:
    parts = [
        f"{file.events} events of {file.runs} runs",
        f"positions {file.first_position} to {file.last_position}",
        f"{file.size_bytes} bytes",
    ]
    told = ", ".join(parts)
    return f"{file.file}: {told}"
