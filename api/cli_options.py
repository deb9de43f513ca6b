"""What the commands have in common: options, the database, and how they fail."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import psycopg
import typer

from api.embedded import EmbeddedPostgres, EmbeddedPostgresError
from api.embedded_placement import ROOTS_PLACE, PlacementError
from api.log_stores import check_log_store
from api.service import Settings
from domain.errors import SubjectKeysUnavailableError
from eventlog.connection import Database
from eventlog.subject_keys import check
from migrations import runner
from worker.object_logs import LogStoreError

T = TypeVar("T")

MINIMUM_SERVER = 150_000
"""PostgreSQL 15, as libpq counts versions."""

Host = Annotated[str, typer.Option(envvar="APPHUB_HOST", help="Address to listen on.")]
Port = Annotated[int, typer.Option(envvar="APPHUB_PORT", min=0, max=65_535, help="Port; 0 picks a free one.")]
DataDir = Annotated[
    Path | None,
    typer.Option(envvar="APPHUB_DATA_DIR", help="Where run logs lie, and the private database if no URL is given."),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        envvar=["APPHUB_DATABASE_URL", "DATABASE_URL"],
        help="Your PostgreSQL, 15 or newer; without it a private one starts in the data directory.",
    ),
]
LogsStore = Annotated[
    str | None,
    typer.Option(
        envvar="APPHUB_LOGS_STORE",
        help="Where run logs are kept instead: s3://BUCKET/PREFIX, credentials in AWS_… variables; file:///DIRECTORY.",
    ),
]
TokensFile = Annotated[
    Path | None,
    typer.Option(envvar="APPHUB_TOKENS_FILE", help="JSON file of API tokens; without it the API is open."),
]
SubjectKey = Annotated[
    Path | None,
    typer.Option(
        envvar="APPHUB_SUBJECT_KEY", help="The master key of personal data; else subjects.key in the data directory."
    ),
]
Slots = Annotated[int, typer.Option(envvar="APPHUB_SLOTS", min=1, max=256, help="Runs executed at a time.")]
LeaseS = Annotated[
    float, typer.Option(envvar="APPHUB_LEASE_S", min=1, max=3_600, help="Silence after which a worker counts as dead.")
]
Handlers = Annotated[
    list[str] | None, typer.Option("--handlers", envvar="APPHUB_HANDLERS", help="Module with a mapping HANDLERS.")
]
Commands = Annotated[
    Path | None,
    typer.Option(
        envvar="APPHUB_COMMANDS", help='JSON file {"NAME": ["program", …]}; run by the handlers command.NAME.'
    ),
]


@contextmanager
def database(data_dir: Path | None, url: str | None, *, upgrade: bool = True) -> Iterator[tuple[Path, str]]:
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
        raise failure(f"cannot reach the database: {str(error).strip()}\nCheck --database-url.") from None
    finally:
        if embedded is not None:
            embedded.stop()


def directory_of(data_dir: Path | None) -> Path:
    """Return the data directory, the user's own if none is given."""
    return (data_dir or _default_data_dir()).resolve()


def keyed(directory: Path, url: str, subject_key: Path | None) -> Database:
    """Return the database with the master key of personal data, whose absence is a clear error if it is needed."""
    found = Settings(url, directory, subject_key=subject_key).database

    async def look() -> None:
        async with await found.connect() as connection:
            await check(connection)

    try:
        asyncio.run(look())
    except SubjectKeysUnavailableError as error:
        raise failure(error) from None
    return found


def read(reader: Callable[[], T]) -> T:
    """Return what an operator's file or variables say; what is wrong with them is a clear error."""
    try:
        return reader()
    except (OSError, ValueError) as error:
        raise failure(error) from None


def check_logs_store(url: str | None, *, to_write: bool) -> None:
    """Find out before anything starts whether the store of run logs can be used."""
    if url is None:
        return
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"):
        if not os.environ.get(name, "http://").startswith(("http://", "https://")):
            raise failure(f"{name} is no URL: it must begin with https:// or http://")
    try:
        check_log_store(url, to_write=to_write)
    except LogStoreError as error:
        raise failure(error) from None


def failure(error: object) -> typer.Exit:
    """Say what is wrong, and return the exit to raise."""
    typer.echo(f"apphub-jobs: {error}", err=True)
    return typer.Exit(1)


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
