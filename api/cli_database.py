"""The database that a command works on: from its options to a URL, and clear errors where there is none."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from api.embedded import EmbeddedPostgres, EmbeddedPostgresError
from api.embedded_placement import ROOTS_PLACE, PlacementError
from migrations import runner

MINIMUM_SERVER = 150_000
"""PostgreSQL 15, as libpq counts versions."""

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


def failure(error: object) -> typer.Exit:
    """Tell what is wrong; raise what this returns to end the command with code 1."""
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
