"""The command line.

Options come from flags or `APPHUB_…` variables; nothing below reads the environment.
"""

import logging
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import typer

from api.access.hosts import Hosts, check_open, is_loopback
from api.access.origins import Origins
from api.access.tokens import Tokens
from api.bootstrap.handler_packages import handler_packages
from api.bootstrap.handler_settings import handler_settings, local_repositories
from api.bootstrap.service_files import ServiceFiles, service_files
from api.bootstrap.settings import Settings
from api.cli import log, seal, subjects
from api.cli.demo import run_demo
from api.cli.events import events_app
from api.cli.opening import (
    archive_directory,
    check_logs_store,
    database,
    directory_of,
    keyed,
)
from api.cli.options import (
    KeyOptions,
    ListeningOptions,
    StorageOptions,
    SubjectKey,
    TokensFile,
    WorkOptions,
    command,
    failure,
    read,
)
from api.cli.projections import operators
from api.cli.seal import sealing
from api.process.http_server import PortTakenError
from api.process.serving import serve, watch_lifeline, work
from api.process.test_service import ClockShiftFile, serve_tests
from api.process.up import Supervisor
from api.process.worker_metrics import Address
from runtime.process_control import keep_to_itself
from worker.executors.packages import HandlerPackage
from worker.lifecycle.worker import WorkerSettings

logger = logging.getLogger(__name__)

app = typer.Typer(
    name="apphub-jobs",
    help="Registers jobs, launches runs, executes and tracks them;"
    " every change is an event in an append-only log.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(events_app, name="events")
app.add_typer(operators)
app.add_typer(log.app, name="log")
app.add_typer(seal.app, name="seal")
app.add_typer(subjects.app, name="subjects")
app.command("test-service", hidden=True)(serve_tests)


@command(app)
def up(
    *,
    listening: ListeningOptions,
    storage: StorageOptions,
    tokens_file: TokensFile = None,
    working: WorkOptions,
    keys: KeyOptions,
) -> None:
    """Run database, API and worker together until Ctrl-C."""
    check_logs_store(storage.logs_store, to_write=True)
    # Before anything starts that would fail by them.
    tokens = _tokens(tokens_file)
    _hosts(listening, tokens)
    _origins(listening, tokens)
    secret = (tokens_file, keys.seal_key, keys.subject_key)
    _packages(working, _hidden(storage, working, *secret))
    with _database(storage) as (directory, _):
        read(lambda: handler_settings(os.environ, directory))
        archive = storage.archive and storage.archive.resolve()
        # By the environment: a command line can be read by everybody on the machine.
        given = {
            "HOST": listening.host,
            "ALLOWED_HOSTS": " ".join(listening.allowed_host or ()),
            "CORS_ORIGINS": " ".join(listening.cors_origin or ()),
            "INSECURE": listening.insecure,
            "DATA_DIR": directory,
            "DATABASE_URL": storage.database_url,
            "ARCHIVE": archive,
            "LOGS_STORE": storage.logs_store,
            "TOKENS_FILE": tokens_file,
            "SLOTS": working.slots,
            "LEASE_S": working.lease_s,
            "HANDLERS": " ".join(working.handlers or ()),
            "COMMANDS": working.commands,
            "ALLOW_PRIVATE_REPOSITORIES": working.allow_private_repositories,
            "TRUST_HANDLERS": working.trust_handlers,
            "SEAL_KEY": keys.seal_key,
            "SUBJECT_KEY": keys.subject_key,
        }
        variables = {
            f"APPHUB_{name}": str(value) for name, value in given.items() if value
        }
        # 0 means something here.
        variables["APPHUB_PORT"] = str(listening.port)
        variables["APPHUB_WAIT_FOR_DATABASE_S"] = str(storage.wait_for_database_s)
        variables["APPHUB_SEAL_EVERY_S"] = str(keys.seal_every_s)
        code = Supervisor({**os.environ, **variables}).run()
    raise typer.Exit(code)


@command(app, "serve")
def serve_command(
    *,
    listening: ListeningOptions,
    storage: StorageOptions,
    tokens_file: TokensFile = None,
    keys: KeyOptions,
    clock_shift: ClockShiftFile = None,
) -> None:
    """Run the API alone."""
    check_logs_store(storage.logs_store, to_write=False)
    tokens = _tokens(tokens_file)
    hosts = _hosts(listening, tokens)
    origins = _origins(listening, tokens)
    if tokens is None and not is_loopback(listening.host):
        logger.warning(_OPEN_TO_OTHERS, listening.host)
    local = read(lambda: local_repositories(os.environ))
    with _database(storage) as (directory, url):
        keyed(directory, url, keys.subject_key)
        settings = Settings(
            url,
            directory,
            archive=archive_directory(directory, storage.archive),
            tokens=tokens,
            hosts=hosts,
            origins=origins,
            local_repositories=bool(local),
            logs_store=storage.logs_store,
            sealing=sealing(directory, keys),
            subject_key=keys.subject_key,
            clock_shift=clock_shift,
        )
        try:
            serve(settings, listening.host, listening.port)
        except PortTakenError as error:
            raise failure(error) from None


def _tokens(file: Path | None) -> Tokens | None:
    if file is None:
        return None
    return read(lambda: Tokens(file))


def _hosts(listening: ListeningOptions, tokens: Tokens | None) -> Hosts | None:
    """Return by which names the API may be called; who has a token may use any, unless told."""
    if tokens is None:
        read(lambda: check_open(listening.host, insecure=listening.insecure))
    elif not listening.allowed_host:
        return None
    return read(lambda: Hosts(listening.host, listening.allowed_host or ()))


def _origins(listening: ListeningOptions, tokens: Tokens | None) -> Origins:
    """Return which pages from elsewhere may use the API."""
    listed = listening.cors_origin or ()
    return read(lambda: Origins(listed, open_api=tokens is None))


_OPEN_TO_OTHERS = (
    "the API has no tokens and listens on %s: everybody who reaches it may read and write"
    " everything and have images built (--insecure); give --tokens-file"
)


@command(app, "worker")
def worker_command(  # noqa: PLR0913 - one for each group of options
    *,
    storage: StorageOptions,
    working: WorkOptions,
    subject_key: SubjectKey = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            envvar="APPHUB_METRICS_PORT",
            min=0,
            max=65_535,
            help="Port of the worker's own /metrics; 0 picks a free one; else there is none.",
        ),
    ] = None,
    metrics_host: Annotated[
        str,
        typer.Option(envvar="APPHUB_METRICS_HOST", help="Address of that port."),
    ] = "127.0.0.1",
    clock_shift: ClockShiftFile = None,
) -> None:
    """Run a worker alone."""
    check_logs_store(storage.logs_store, to_write=True)
    files = _hidden(storage, working, subject_key)
    files.tell()
    packages = _packages(working, files)
    metrics_at = None
    if metrics_port is not None:
        metrics_at = Address(metrics_host, metrics_port)
    with _database(storage) as (directory, url):
        keyed(directory, url, subject_key)
        settings = Settings(
            url,
            directory,
            archive=archive_directory(directory, storage.archive),
            logs_store=storage.logs_store,
            subject_key=subject_key,
            clock_shift=clock_shift,
        )
        environment = dict(os.environ)
        if working.allow_private_repositories:
            environment["APPHUB_ALLOW_PRIVATE_REPOSITORIES"] = "true"
        worker_settings = WorkerSettings(
            slots=working.slots,
            lease_s=working.lease_s,
            handler_settings=read(lambda: handler_settings(environment, directory)),
        )
        try:
            work(settings, worker_settings, packages, metrics_at)
        except PortTakenError as error:
            raise failure(error) from None


def _hidden(
    storage: StorageOptions, working: WorkOptions, *secret: Path | None
) -> ServiceFiles:
    """Return what handlers shall not see."""
    if working.trust_handlers:
        return ServiceFiles()
    directory = directory_of(storage.data_dir)
    return service_files(os.environ, directory, storage.archive, *secret)


def _packages(
    working: WorkOptions, files: ServiceFiles
) -> Mapping[str, HandlerPackage]:
    return read(
        lambda: handler_packages(working.handlers, working.commands, files.hidden)
    )


def _database(
    storage: StorageOptions,
) -> AbstractContextManager[tuple[Path, str]]:
    return database(storage, patience_s=storage.wait_for_database_s)


@command(
    app,
    told="Show everything at work: start from nothing, ingest a repository,"
    " print its events as they arrive.",
)
def demo(
    *,
    repo: Annotated[
        Path | None, typer.Argument(help="A git repository; this one if left out.")
    ] = None,
) -> None:
    """Show everything at work."""
    # It builds what it is given and its own, and ends with that.
    os.environ.setdefault("APPHUB_BUILD_NETWORK", "host")
    raise typer.Exit(run_demo(repo or Path.cwd()))


def main() -> None:
    """Run the command line."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for chatty in ("alembic.runtime.plugins", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # The environment and the memory hold the database's password and keys.
    keep_to_itself()
    # Until a server has its own ways: end by an exception, so that what was started is stopped
    # again.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    watch_lifeline()
    app()
