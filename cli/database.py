"""Opening the database, the private one or an operator's, and checking the store of run logs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg

from api.bootstrap.database_url import DatabaseUrlError, libpq_url, without_secrets
from api.bootstrap.log_stores import check_log_store
from api.data_directory import resolve_data_dir
from api.embedded import EmbeddedPostgres, EmbeddedPostgresError
from api.server_placement import PlacementError
from cli.options import DatabaseOptions, failure
from cli.process.announcement import services
from domain.errors import LogUnavailableError, OutcomeUnknownError
from eventlog.database.server_check import ServerError, check_server
from eventlog.database.startup import StartupWait
from migrations import runner
from worker.logs.object_store import LogStoreError


@contextmanager
def database(
    options: DatabaseOptions, *, upgrade: bool = True, patience_s: float = 0.0
) -> Iterator[tuple[Path, str]]:
    """Open a database; yield the data directory and the database's URL.

    Args:
        options: where the database is.
        upgrade: whether to bring its schema up to date.
        patience_s: how long to wait for a server that cannot be reached.

    Raises:
        typer.Exit: the database cannot be used; the message has been printed.
    """
    patience = StartupWait(patience_s)
    directory = resolve_data_dir(options.data_dir)
    url = database_url(options)
    embedded: EmbeddedPostgres | None = None
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if url is None:
            embedded = EmbeddedPostgres(directory, account=options.postgres_account)
            url = embedded.start()
        patience.wait(partial(check_server, url))
        if upgrade:
            patience.wait(partial(runner.upgrade, url))
        yield directory, url
    except (
        EmbeddedPostgresError,
        PlacementError,
        ServerError,
        runner.SchemaError,
        OSError,
    ) as error:
        raise failure(error) from None
    except (psycopg.OperationalError, LogUnavailableError, OutcomeUnknownError) as error:
        reason = without_secrets(str(error).strip(), url or "")
        raise failure(f"cannot reach the database: {reason}\nCheck --database-url.") from None
    finally:
        if embedded is not None:
            embedded.stop()


def database_url(options: DatabaseOptions) -> str | None:
    """Return the URL of the operator's own database, None for the private one."""
    if options.database_url is None:
        return None
    try:
        return libpq_url(options.database_url)
    except DatabaseUrlError as error:
        raise failure(f"--database-url: {error}") from None


def _refuse_if_service_uses_another(options: DatabaseOptions) -> None:
    """Refuse a data directory without a private database if its service uses another database."""
    directory = resolve_data_dir(options.data_dir)
    if options.database_url is None and not os.path.lexists(directory / "postgres"):
        for address in services(directory):
            raise failure(
                f"the service of {directory}, {address}, keeps its data in a database of your"
                " own: name it with --database-url or APPHUB_DATABASE_URL"
            )


@contextmanager
def migrated_database(options: DatabaseOptions) -> Iterator[tuple[Path, str]]:
    """Open a database whose schema is this version's; nothing is migrated.

    Raises:
        typer.Exit: its schema is another one, or the database cannot be used.
    """
    _refuse_if_service_uses_another(options)
    with database(options, upgrade=False) as (directory, url):
        schema = runner.current(url)
        if schema != runner.HEAD:
            raise runner.SchemaError(
                f"the database's schema is {schema or 'empty'}, not {runner.HEAD};"
                " run: apphub-jobs migrate"
            )
        yield directory, url


def check_logs_store(url: str | None, *, to_write: bool) -> None:
    """Check that the store of run logs can be used; raise typer.Exit if not."""
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
