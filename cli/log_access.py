"""The log in a database, with its master key, its archive and its seals."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from api.bootstrap.settings import Settings
from cli import composition  # noqa: F401 - logs hold events of the catalog, too
from cli.database import migrated_database
from cli.options import KeyedLogOptions, LogOptions, SealingOptions, failure
from domain.errors import SubjectKeysUnavailableError
from eventlog.archive.retention import Archiving
from eventlog.database.connection import Database
from eventlog.database.startup import StartupWait
from eventlog.keys import LogFiles
from eventlog.personal import check
from eventlog.seal.sealer import Sealing

Roots = Annotated[
    list[Path] | None,
    typer.Option(
        "--root",
        exists=True,
        dir_okay=False,
        help="Heads kept outside the database; may be given several times.",
    ),
]


@contextmanager
def open_log(options: LogOptions) -> Iterator[Database]:
    """Open a migrated database for a command that reads no personal data."""
    with migrated_database(options) as (directory, url):
        yield Database(url, LogFiles(archive_directory(directory, options.archive)))


@contextmanager
def open_log_with_keys(options: KeyedLogOptions) -> Iterator[Database]:
    """Open a migrated database with the master key of personal data."""
    with migrated_database(options) as (directory, url):
        archive = archive_directory(directory, options.archive)
        yield database_with_keys(directory, url, options.subject_key, archive)


def archive_directory(data_dir: Path, archive: Path | None) -> Path:
    """Return the directory of archive files: the operator's, or `archive` in the data directory."""
    return (archive or data_dir / "archive").resolve()


def archiving(options: LogOptions) -> Archiving | None:
    """Return how a process archives runs after their retention; None if others do.

    It archives only if all processes find the files: in the operator's directory, or in the data
    directory, which they share if the database is the private one.
    """
    is_private = options.database_url is None
    if is_private or options.archive is not None:
        # On an operator's server only its owner makes roles.
        return Archiving(make_role=is_private)
    return None


def sealing(data_dir: Path, options: SealingOptions) -> Sealing | None:
    """Return how a process seals the log; None if it does not."""
    if options.seal_every_s <= 0:
        return None
    key = options.seal_key or seal_key_file(data_dir)
    return Sealing(key, head_file(data_dir), options.seal_every_s)


def seal_key_file(data_dir: Path) -> Path:
    """Return the file of the key that signs seals, unless the operator names another."""
    return data_dir / "seal.key"


def head_file(data_dir: Path) -> Path:
    """Return the file that keeps the last signed head."""
    return data_dir / "seal.head"


def database_with_keys(
    directory: Path,
    url: str,
    subject_key: Path | None,
    archive: Path | None = None,
    *,
    patience_s: float = 0.0,
) -> Database:
    """Return the database with the master key of personal data.

    Args:
        directory: the data directory.
        url: the database's URL.
        subject_key: the file of the master key; None for the one in the data directory.
        archive: the directory of archive files.
        patience_s: how long to wait for a server that cannot be reached.

    Raises:
        typer.Exit: the database needs a key that is missing.
    """
    database = Settings(url, directory, archive=archive, subject_key=subject_key).database

    async def check_key() -> None:
        async with await database.connect() as connection:
            await check(connection, database.files.master_keys)

    try:
        StartupWait(patience_s).wait(lambda: asyncio.run(check_key()))
    except SubjectKeysUnavailableError as error:
        raise failure(error) from None
    return database
