"""The log in a database, with its keys and its archive."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from api.bootstrap.settings import Settings
from cli import composition  # noqa: F401 - logs hold events of the catalog, too
from cli.database import migrated
from cli.options import KeyedLogOptions, LogOptions, failure
from domain.errors import SubjectKeysUnavailableError
from eventlog.archive.retention import Archiving
from eventlog.database.connection import Database, Patience
from eventlog.keys import LogFiles
from eventlog.personal import check

Roots = Annotated[
    list[Path] | None,
    typer.Option(
        "--root",
        exists=True,
        dir_okay=False,
        help="Heads kept elsewhere; may be given several times.",
    ),
]


@contextmanager
def operated(place: LogOptions) -> Iterator[Database]:
    """Open a migrated database for a command that reads no personal data."""
    with migrated(place) as (directory, url):
        archive = archive_directory(directory, place.archive)
        yield Database(url, LogFiles(archive))


@contextmanager
def operated_with_keys(place: KeyedLogOptions) -> Iterator[Database]:
    """Do the same, with the master key of personal data."""
    with migrated(place) as (directory, url):
        archive = archive_directory(directory, place.archive)
        yield keyed(directory, url, place.subject_key, archive)


def archive_directory(data_dir: Path, given: Path | None) -> Path:
    """Return the directory of archive files."""
    directory = given or data_dir / "archive"
    return directory.resolve()


def archiving(place: LogOptions) -> Archiving | None:
    """Return how a process archives what jobs keep no longer, None where it leaves that to others.

    It archives where all others certainly find the files: in a directory that was named, or beside
    the private server, with which they share the data directory.
    """
    is_private = place.database_url is None
    if is_private or place.archive is not None:
        # On somebody else's server, to make roles is its owner's business.
        return Archiving(make_role=is_private)
    return None


def keyed(
    directory: Path,
    url: str,
    subject_key: Path | None,
    archive: Path | None = None,
    *,
    patience_s: float = 0.0,
) -> Database:
    """Return the database with the master key of personal data.

    That the key is missing is a clear error where the database needs it. A server that is away is
    waited for as long as that.
    """
    found = Settings(url, directory, archive=archive, subject_key=subject_key).database

    async def look() -> None:
        async with await found.connect() as connection:
            await check(connection, found.files.master_keys)

    try:
        Patience(patience_s).wait(lambda: asyncio.run(look()))
    except SubjectKeysUnavailableError as error:
        raise failure(error) from None
    return found
