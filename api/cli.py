"""The command line. Options come from flags or `APPHUB_…` variables; nothing below reads the environment."""

import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from api import seal_cli
from api.auth import read_tokens
from api.cli_database import DatabaseUrl, DataDir, database, failure
from api.demo import run_demo
from api.seal_cli import SealEveryS, SealKey, sealing
from api.service import Settings
from api.serving import PortTakenError, serve, watch_lifeline, work
from api.up import Supervisor
from migrations import runner
from worker.registry import DuplicateHandlerError, HandlerSource, read_commands
from worker.service import WorkerSettings

app = typer.Typer(
    name="apphub-jobs",
    help="Registers jobs, launches runs, executes and tracks them; every change is an event in an append-only log.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(seal_cli.app, name="seal")

T = TypeVar("T")

Host = Annotated[str, typer.Option(envvar="APPHUB_HOST", help="Address to listen on.")]
Port = Annotated[int, typer.Option(envvar="APPHUB_PORT", min=0, max=65_535, help="Port; 0 picks a free one.")]
TokensFile = Annotated[
    Path | None,
    typer.Option(envvar="APPHUB_TOKENS_FILE", help="JSON file of API tokens; without it the API is open."),
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


@app.command()
def up(  # noqa: PLR0913 - one for each option
    host: Host = "127.0.0.1",
    port: Port = 4000,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    tokens_file: TokensFile = None,
    slots: Slots = 4,
    lease_s: LeaseS = 15.0,
    handlers: Handlers = None,
    commands: Commands = None,
    seal_key: SealKey = None,
    seal_every_s: SealEveryS = 1.0,
) -> None:
    """Run database, API and worker together until Ctrl-C."""
    with database(data_dir, database_url) as (directory, _):
        common = ["--data-dir", str(directory)]
        serve_arguments = [*common, "--host", host, "--port", str(port), "--seal-every-s", str(seal_every_s)]
        if seal_key is not None:
            serve_arguments += ["--seal-key", str(seal_key)]
        if tokens_file is not None:
            serve_arguments += ["--tokens-file", str(tokens_file)]
        worker_arguments = [*common, "--slots", str(slots), "--lease-s", str(lease_s)]
        worker_arguments += [part for module in handlers or [] for part in ("--handlers", module)]
        if commands is not None:
            worker_arguments += ["--commands", str(commands)]
        if database_url is not None:
            # By the environment: a command line can be read by everybody on the machine.
            os.environ["APPHUB_DATABASE_URL"] = database_url
        code = Supervisor(serve_arguments, worker_arguments).run()
    raise typer.Exit(code)


@app.command("serve")
def serve_command(  # noqa: PLR0913 - one for each option
    host: Host = "127.0.0.1",
    port: Port = 4000,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    tokens_file: TokensFile = None,
    seal_key: SealKey = None,
    seal_every_s: SealEveryS = 1.0,
) -> None:
    """Run the API alone."""
    tokens = _read(tokens_file, read_tokens)
    with database(data_dir, database_url) as (directory, url):
        try:
            seals = sealing(directory, seal_key, seal_every_s)
            serve(Settings(url, directory, tokens, sealing=seals), host, port)
        except PortTakenError as error:
            raise failure(error) from None


@app.command("worker")
def worker_command(  # noqa: PLR0913 - one for each option
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    slots: Slots = 4,
    lease_s: LeaseS = 15.0,
    handlers: Handlers = None,
    commands: Commands = None,
) -> None:
    """Run a worker alone."""
    source = HandlerSource(tuple(handlers or ()), _read(commands, read_commands) or {})
    with database(data_dir, database_url) as (directory, url):
        settings = Settings(url, directory)
        worker_settings = WorkerSettings(slots=slots, lease_s=lease_s, run_logs_dir=settings.run_logs_dir)
        try:
            work(settings, worker_settings, source)
        except (DuplicateHandlerError, ImportError) as error:
            raise failure(error) from None


@app.command()
def migrate(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    to: Annotated[str, typer.Option(help="Version to go to; `base` removes everything, the log included.")] = "head",
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
    repo: Annotated[Path | None, typer.Argument(help="A git repository; this one if left out.")] = None,
) -> None:
    """Show everything at work: start from nothing, ingest a repository, print its events as they arrive."""
    raise typer.Exit(run_demo(repo or Path.cwd()))


def _read(path: Path | None, reader: Callable[[Path], T]) -> T | None:
    """Read an operator's file, if there is one; a broken one is a clear error."""
    try:
        return None if path is None else reader(path)
    except (OSError, ValueError) as error:
        raise failure(error) from None


def main() -> None:
    """Run the command line."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("alembic.runtime.plugins", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # Until a server has its own ways: end by an exception, so that what was started is stopped again.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    watch_lifeline()
    app()


if __name__ == "__main__":
    main()
