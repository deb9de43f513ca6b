"""The database, the private one or an operator's, and the store of run logs."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from api.bootstrap.logs import check_log_store
from api.bootstrap.settings import (
    DatabaseUrlError,
    Settings,
    readable_url,
    without_secrets,
)
from api.embedded import (
    EmbeddedPostgres,
    EmbeddedPostgresError,
    PlacementError,
    directory_of,
)
from cli.options import DatabaseOptions, KeyedLogOptions, LogOptions, failure
from cli.process.sockets import services
from domain.errors import (
    LogUnavailableError,
    OutcomeUnknownError,
    SubjectKeysUnavailableError,
)
from eventlog.archive.retention import Archiving
from eventlog.database.connection import Database, Patience, ServerError, check_server
from eventlog.keys import LogFiles
from eventlog.personal import check
from migrations import runner
from worker.logs.object_store import LogStoreError


@contextmanager
def database(
    place: DatabaseOptions, *, upgrade: bool = True, patience_s: float = 0.0
) -> Iterator[tuple[Path, str]]:
    """Give the data directory and the URL of a database, its schema brought up to date first.

    A server that is away, or goes away meanwhile, is waited for as long as that.
    """
    patience = Patience(patience_s)
    directory = directory_of(place.data_dir)
    url = database_url(place)
    embedded: EmbeddedPostgres | None = None
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if url is None:
            embedded = EmbeddedPostgres(directory, account=place.postgres_account)
            url = embedded.start()
        found = url
        patience.wait(lambda: check_server(found))
        if upgrade:
            patience.wait(lambda: runner.upgrade(found))
        yield directory, url
    except (
        EmbeddedPostgresError,
        PlacementError,
        ServerError,
        runner.SchemaError,
        OSError,
    ) as error:
        raise failure(error) from None
    except (
        psycopg.OperationalError,
        LogUnavailableError,
        OutcomeUnknownError,
    ) as error:
        reason = without_secrets(str(error).strip(), url or "")
        raise failure(
            f"cannot reach the database: {reason}\nCheck --database-url."
        ) from None
    finally:
        if embedded is not None:
            embedded.stop()


def database_url(place: DatabaseOptions) -> str | None:
    """Return the URL of the operator's own database, None for the private one."""
    if place.database_url is None:
        return None
    try:
        return readable_url(place.database_url)
    except DatabaseUrlError as error:
        raise failure(f"--database-url: {error}") from None


def _refuse_where_service_has_another(place: DatabaseOptions) -> None:
    """Refuse a data directory without a private database whose service has one elsewhere."""
    directory = directory_of(place.data_dir)
    if place.database_url is None and not os.path.lexists(directory / "postgres"):
        for address in services(directory):
            raise failure(
                f"the service of {directory}, {address}, keeps its data in a database of your"
                " own: name it with --database-url or APPHUB_DATABASE_URL"
            )


@contextmanager
def migrated(place: DatabaseOptions) -> Iterator[tuple[Path, str]]:
    """Give the same, unless the schema is not this version's.

    To migrate is for the service, or for `migrate`.
    """
    _refuse_where_service_has_another(place)
    with database(place, upgrade=False) as (directory, url):
        found = runner.current(url)
        if found != runner.HEAD:
            raise runner.SchemaError(
                f"the database's schema is {found or 'empty'}, not {runner.HEAD};"
                " run: apphub-jobs migrate"
            )
        yield directory, url


def check_logs_store(url: str | None, *, to_write: bool) -> None:
    """Find out before anything starts whether the store of run logs can be used."""
    if url is None:
        return
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"):
        endpoint = os.environ.get(name, "http://")
        if not endpoint.startswith(("http://", "https://")):
            raise failure(f"{name} is no URL: it must begin with https:// or http://")
    try:
        check_log_store(url, to_write=to_write)
    except LogStoreError as error:
        raise failure(error) from None


# The log in a database, with its keys and its archive.

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
