"""The database, the private one or an operator's, and the store of run logs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from api.bootstrap.environment import DatabaseUrlError, readable_url, without_secrets
from api.bootstrap.log_stores import check_log_store
from api.data_directory import PlacementError, directory_of
from api.embedded import EmbeddedPostgres, EmbeddedPostgresError
from cli.options import DatabaseOptions, failure
from cli.process.announcement import services
from domain.errors import LogUnavailableError, OutcomeUnknownError
from eventlog.database.connection import Patience, ServerError, check_server
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
    except (psycopg.OperationalError, LogUnavailableError, OutcomeUnknownError) as error:
        reason = without_secrets(str(error).strip(), url or "")
        raise failure(f"cannot reach the database: {reason}\nCheck --database-url.") from None
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
