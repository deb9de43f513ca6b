"""`apphub-jobs log archive`: move the events of runs that ended long ago into files."""

import re
from contextlib import aclosing
from datetime import timedelta
from typing import Annotated

import typer

from api.cli.opening import operated
from api.cli.options import Archive, DatabaseUrl, DataDir, failure
from api.cli.terminal import View, finish, shown
from domain.json_values import JsonObject
from eventlog.archive.archiver import Archived, ArchivingUnderWayError, archiver
from eventlog.archive.role import ArchivistMissingError
from eventlog.database.connection import Database

app = typer.Typer(help="The log of events as a whole.", no_args_is_help=True)

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


@app.callback()
def _group() -> None:
    """Keep `archive` a command of its own, though it is the only one so far."""


def _age(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,6})([dhms])", text.strip())
    if found is None:
        raise typer.BadParameter("an age is a number and d, h, m or s: for example 90d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


@app.command("archive")
def archive_command(
    older_than: Annotated[
        timedelta,
        typer.Option(
            parser=_age, metavar="AGE", help="How long ago a run must have ended: 90d, 12h."
        ),
    ],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    archive: Archive = None,
    *,
    json: Annotated[
        bool, typer.Option("--json", help="JSON Lines: each file, then the sum.")
    ] = False,
) -> None:
    """Move the whole histories of runs that ended long ago out of the database, into compressed, verified files.

    Everything goes on showing them. Keep the files: they are a part of the log.
    """
    with operated(data_dir, database_url, archive) as opened, shown(json=json) as view:
        try:
            # On somebody else's server, to make roles is its owner's business.
            finish(_archive(opened, older_than, view, make_role=database_url is None))
        except (ArchivingUnderWayError, ArchivistMissingError, OSError) as error:
            raise failure(error) from None


async def _archive(opened: Database, older_than: timedelta, view: View, *, make_role: bool) -> None:
    files: list[Archived] = []
    async with archiver(opened, make_role=make_role) as one:
        for name in one.leftovers:
            view.fact(
                {"kind": "leftover", "file": name}, f"{name}: no archive of this log refers to it"
            )
        async with aclosing(one.archive(older_than, view.progress)) as archived:
            async for file in archived:
                files.append(file)
                view.fact(file.present(), _sentence(file))
    total = {
        name: sum(getattr(file, name) for file in files)
        for name in ("events", "runs", "size_bytes")
    }
    longest = max((file.longest_hold_ms for file in files), default=0.0)
    document: JsonObject = {"kind": "sum", "files": len(files), **total, "longest_hold_ms": longest}
    hold = f"; longest hold of the append lock {longest:.1f} ms" if files else ""
    view.fact(
        document,
        f"archived {total['events']} events of {total['runs']} runs in {len(files)} files{hold}",
    )


def _sentence(file: Archived) -> str:
    where = f"positions {file.first_position} to {file.last_position}"
    return (
        f"{file.file}: {file.events} events of {file.runs} runs, {where}, {file.size_bytes} bytes"
    )
