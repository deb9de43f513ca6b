"""The command line. Options come from flags or `APPHUB_…` variables; nothing below reads the environment."""

import logging
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from api.access.principals import read_tokens
from api.bootstrap.handler_packages import handler_packages
from api.bootstrap.handler_settings import handler_settings, local_repositories
from api.bootstrap.settings import Settings
from api.cli import log, seal, subjects
from api.cli.demo import run_demo
from api.cli.events import events_app
from api.cli.opening import archive_directory, database, keyed
from api.cli.options import (
    Archive,
    Commands,
    DatabaseUrl,
    DataDir,
    Handlers,
    Host,
    LeaseS,
    LogsStore,
    Port,
    Slots,
    SubjectKey,
    TokensFile,
    check_logs_store,
    failure,
    read,
)
from api.cli.projections import operators
from api.cli.seal import SealEveryS, SealKey, sealing
from api.process.serving import PortTakenError, serve, watch_lifeline, work
from api.process.up import Supervisor
from migrations import runner
from worker.lifecycle.worker import WorkerSettings

app = typer.Typer(
    name="apphub-jobs",
    help="Registers jobs, launches runs, executes and tracks them; every change is an event in an append-only log.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(events_app, name="events")
app.add_typer(operators)
app.add_typer(log.app, name="log")
app.add_typer(seal.app, name="seal")
app.add_typer(subjects.app, name="subjects")


@app.command()
def up(  # noqa: PLR0913 - one for each option
    host: Host = "127.0.0.1",
    port: Port = 4000,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    archive: Archive = None,
    logs_store: LogsStore = None,
    tokens_file: TokensFile = None,
    slots: Slots = 4,
    lease_s: LeaseS = 15.0,
    handlers: Handlers = None,
    commands: Commands = None,
    seal_key: SealKey = None,
    seal_every_s: SealEveryS = 1.0,
    subject_key: SubjectKey = None,
) -> None:
    """Run database, API and worker together until Ctrl-C."""
    check_logs_store(logs_store, to_write=True)
    # Before anything starts that would fail by them.
    read(lambda: handler_packages(handlers, commands))
    with database(data_dir, database_url) as (directory, _):
        # Before anything starts that would fail by it.
        read(lambda: handler_settings(os.environ, directory))
        # By the environment: a command line can be read by everybody on the machine.
        given = {
            "HOST": host,
            "DATA_DIR": directory,
            "DATABASE_URL": database_url,
            "ARCHIVE": archive and archive.resolve(),
            "LOGS_STORE": logs_store,
            "TOKENS_FILE": tokens_file,
            "SLOTS": slots,
            "LEASE_S": lease_s,
            "HANDLERS": " ".join(handlers or ()),
            "COMMANDS": commands,
            "SEAL_KEY": seal_key,
            "SUBJECT_KEY": subject_key,
        }
        variables = {f"APPHUB_{name}": str(value) for name, value in given.items() if value}
        # 0 means something here.
        variables |= {"APPHUB_PORT": str(port), "APPHUB_SEAL_EVERY_S": str(seal_every_s)}
        code = Supervisor({**os.environ, **variables}).run()
    raise typer.Exit(code)


@app.command("serve")
def serve_command(  # noqa: PLR0913 - one for each option
    host: Host = "127.0.0.1",
    port: Port = 4000,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    archive: Archive = None,
    logs_store: LogsStore = None,
    tokens_file: TokensFile = None,
    seal_key: SealKey = None,
    seal_every_s: SealEveryS = 1.0,
    subject_key: SubjectKey = None,
) -> None:
    """Run the API alone."""
    check_logs_store(logs_store, to_write=False)
    tokens = read(lambda: read_tokens(tokens_file) if tokens_file else None)
    local = read(lambda: local_repositories(os.environ))
    with database(data_dir, database_url) as (directory, url):
        keyed(directory, url, subject_key)
        settings = Settings(
            url,
            directory,
            archive=archive_directory(directory, archive),
            tokens=tokens,
            local_repositories=local,
            logs_store=logs_store,
            sealing=sealing(directory, seal_key, seal_every_s),
            subject_key=subject_key,
        )
        try:
            serve(settings, host, port)
        except PortTakenError as error:
            raise failure(error) from None


@app.command("worker")
def worker_command(  # noqa: PLR0913 - one for each option
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    archive: Archive = None,
    logs_store: LogsStore = None,
    slots: Slots = 4,
    lease_s: LeaseS = 15.0,
    handlers: Handlers = None,
    commands: Commands = None,
    subject_key: SubjectKey = None,
) -> None:
    """Run a worker alone."""
    check_logs_store(logs_store, to_write=True)
    packages = read(lambda: handler_packages(handlers, commands))
    with database(data_dir, database_url) as (directory, url):
        keyed(directory, url, subject_key)
        settings = Settings(
            url,
            directory,
            archive=archive_directory(directory, archive),
            logs_store=logs_store,
            subject_key=subject_key,
        )
        worker_settings = WorkerSettings(
            slots=slots,
            lease_s=lease_s,
            handler_settings=read(lambda: handler_settings(os.environ, directory)),
        )
        work(settings, worker_settings, packages)


@app.command()
def migrate(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    to: Annotated[
        str, typer.Option(help="Version to go to; `base` removes everything, the log included.")
    ] = "head",
) -> None:
    """Bring the database's schema up to date, or down."""
    with database(data_dir, database_url, upgrade=False) as (_, url):
        before = runner.current(url)
        target = runner.HEAD if to == "head" else to
        if target != "base" and (before or "") <= target:
            runner.upgrade(url, target)
        else:
            runner.downgrade(url, target)
        typer.echo(f"schema: {before or 'empty'} -> {runner.current(url) or 'empty'}")


@app.command()
def demo(
    repo: Annotated[
        Path | None, typer.Argument(help="A git repository; this one if left out.")
    ] = None,
) -> None:
    """Show everything at work: start from nothing, ingest a repository, print its events as they arrive."""
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
    # Until a server has its own ways: end by an exception, so that what was started is stopped
    # again.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    watch_lifeline()
    app()
