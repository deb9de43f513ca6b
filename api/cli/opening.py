"""Opening what a command works on: the database, its keys and its archive."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from api.bootstrap.settings import Settings
from api.cli.options import failure
from api.embedded.placement import ROOTS_PLACE, PlacementError
from api.embedded.server import EmbeddedPostgres, EmbeddedPostgresError
from domain.errors import SubjectKeysUnavailableError
from eventlog.database.connection import Database
from eventlog.keys.log_files import LogFiles
from eventlog.personal.subject_keys import check
from migrations import runner

MINIMUM_SERVER = 150_000
"""PostgreSQL 15, as libpq counts versions."""


@contextmanager
def database(
    data_dir: Path | None, url: str | None, *, upgrade: bool = True
) -> Iterator[tuple[Path, str]]:
    """Give the data directory and the URL of a database whose schema is up to date."""
    directory = directory_of(data_dir)
    embedded: EmbeddedPostgres | None = None
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if url is None:
            embedded = EmbeddedPostgres(directory)
            url = embedded.start()
        _check_server(url)
        if upgrade:
            runner.upgrade(url)
        yield directory, url
    except (EmbeddedPostgresError, PlacementError, runner.SchemaError, OSError) as error:
        raise failure(error) from None
    except psycopg.OperationalError as error:
        raise failure(
            f"cannot reach the database: {str(error).strip()}\nCheck --database-url."
        ) from None
    finally:
        if embedded is not None:
            embedded.stop()


def archive_directory(data_dir: Path, given: Path | None) -> Path:
    """Return the directory of archive files."""
    return (given or data_dir / "archive").resolve()


def directory_of(data_dir: Path | None) -> Path:
    """Return the data directory, the user's own if none is given."""
    return (data_dir or _default_data_dir()).resolve()


def keyed(
    directory: Path, url: str, subject_key: Path | None, archive: Path | None = None
) -> Database:
    """Return the database with the master key of personal data, whose absence is a clear error if it is needed."""
    found = Settings(url, directory, archive=archive, subject_key=subject_key).database

    async def look() -> None:
        async with await found.connect() as connection:
            await check(connection, found.files.master_keys)

    try:
        asyncio.run(look())
    except SubjectKeysUnavailableError as error:
        raise failure(error) from None
    return found


def _check_server(url: str) -> None:
    with psycopg.connect(url) as connection:
        version = connection.info.server_version
    if version < MINIMUM_SERVER:
        msg = f"the database is PostgreSQL {version // 10_000}; 15 or newer is needed"
        raise runner.SchemaError(msg)


def _default_data_dir() -> Path:
    if os.geteuid() == 0:
        return ROOTS_PLACE / "data"
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "apphub-jobs"


@contextmanager
def operated(data_dir: Path | None, url: str | None, archive: Path | None) -> Iterator[Database]:
    """Open the database for who reads no personal data, unless its schema is not this version's.

    To migrate is for the service, or for `migrate`.
    """
    with _opened(data_dir, url) as (directory, opened_url):
        yield Database(opened_url, LogFiles(archive_directory(directory, archive)))


@contextmanager
def operated_with_keys(
    data_dir: Path | None, url: str | None, archive: Path | None, subject_key: Path | None
) -> Iterator[Database]:
    """Do the same, with the master key of personal data."""
    with _opened(data_dir, url) as (directory, opened_url):
        yield keyed(directory, opened_url, subject_key, archive_directory(directory, archive))


@contextmanager
def _opened(data_dir: Path | None, url: str | None) -> Iterator[tuple[Path, str]]:
    with database(data_dir, url, upgrade=False) as (directory, opened_url):
        found = runner.current(opened_url)
        if found != runner.HEAD:
            msg = f"the database's schema is {found or 'empty'}, not {runner.HEAD}; run: apphub-jobs migrate"
            raise runner.SchemaError(msg)
        yield directory, opened_url
