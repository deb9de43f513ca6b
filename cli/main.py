"""The command line.

Options come from flags or `APPHUB_…` variables; nothing below reads the environment.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup
from typing_extensions import override

from apphub_jobs.version import VERSION
from cli.options import command
from cli.output import report_lost_output
from cli.process.signals import end_on_signals, exit_on_signals, wait_for_parent, watch_lifeline
from runtime.logs import LogFormat, configure_logs
from runtime.process import (
    collect_garbage_rarely,
    fill_standard_descriptors,
    hide_arguments,
    hide_from_other_processes,
)

GROUPS = {
    "apps": "cli.apps:apps_app",
    "bulk": "cli.bulk:bulk_app",
    "events": "cli.events:events_app",
    "failures": "cli.failures:failures_app",
    "jobs": "cli.jobs:jobs_app",
    "log": "cli.log:log_app",
    "runs": "cli.runs:runs_app",
    "schedules": "cli.schedules:schedules_app",
    "seal": "cli.seal:seal_app",
    "subjects": "cli.subjects:subjects_app",
    "views": "cli.views:views_app",
    "workers": "cli.workers:workers_app",
}
"""Groups of commands, by module and application."""

COMMANDS = {
    "apply": "cli.apply:apply_app",
    "dev": "cli.start.dev:dev_app",
    "up": "cli.start.up:up_app",
    "run": "cli.runs:run_app",
    "ready": "cli.wait:ready_app",
    "serve": "cli.start.serve:serve_app",
    "worker": "cli.start.worker:worker_app",
    "doctor": "cli.doctor:doctor_app",
    "verify": "cli.projections:operators_app",
    "projections": "cli.projections:operators_app",
    "migrate": "cli.projections:operators_app",
    "backup": "cli.backup:backup_app",
    "restore": "cli.restore:restore_app",
    "sql": "cli.sql:sql_app",
    "whoami": "cli.whoami:whoami_app",
    "test-service": "cli.start.test_service:test_service_app",
}
"""The other commands, by module and application; an application may have several."""

HELP = {
    "dev": "Run database, API and worker for handlers under development, until Ctrl-C.",
    "up": "Run database, API and worker together until Ctrl-C.",
    "serve": "Run the API alone.",
    "worker": "Run a worker alone.",
    "run": "Launch a run, and wait for its result.",
    "runs": "List, count, show, follow, explain, cancel and retry runs.",
    "views": "List, save and delete filters of the list of runs, shared by all users.",
    "jobs": "List, register, revise, pause and delete jobs.",
    "schedules": "Launch jobs by the clock, and list the outcomes of ticks.",
    "apply": "Make jobs and schedules match files: create, revise and, with --prune, delete them.",
    "bulk": "Cancel, retry or rerun many runs at a time.",
    "failures": "List groups of failures, and resolve, ignore or retry them.",
    "workers": "List workers, and drain them.",
    "apps": "Add repositories to the catalog, and look at them.",
    "ready": (
        "Wait until a service is ready, and print its address; exit with 124 if none is in time."
    ),
    "whoami": "Print whose token these commands send, and whether it may write.",
    "doctor": (
        "Check everything that the service needs, and say what to do if something is missing."
    ),
    "events": "Read the log of events: who did what, when and why.",
    "verify": (
        "Recompute the tables from the log and compare them row by row; exit with 1 if any differs."
    ),
    "projections": "Rebuild tables from the log, while the service runs.",
    "backup": "Back up the log into a new directory, while the service runs.",
    "restore": (
        "Restore a backup into an empty data directory or database, and list what starts again."
    ),
    "log": "Archive the events of runs that ended long ago.",
    "seal": "Tamper evidence: signed heads of a Merkle tree over the log.",
    "subjects": "Personal data: erase a person's data, change the master key.",
    "sql": (
        "Query the database by SQL, as a role that only reads: opens psql, PostgreSQL's own client."
    ),
    "migrate": "Bring the database's schema up to date, or down.",
}
"""Each command's line in `--help`, which imports none of them; a test compares it with its own
help. In the order of a reader: start it, use it, look at it, operate it."""

HELP_ORDER = (*HELP, "demo", "test-service")

SECRET_OPTIONS = ("--database-url", "--token")
"""Options whose values are hidden from other accounts, which may read every command line."""

COMPLETION_VARIABLE = "_APPHUB_JOBS_COMPLETE"
"""Set by a shell that requests completions."""


class CommandsInOrder(TyperGroup):
    """The program's commands, in the order of a reader."""

    @override
    def list_commands(self, ctx: object) -> list[str]:
        """Return the names of the imported commands."""
        return sorted(self.commands, key=HELP_ORDER.index)


app = typer.Typer(
    name="apphub-jobs",
    cls=CommandsInOrder,
    help="Register jobs, launch runs, execute and follow them."
    " Every change is an event in an append-only log.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(is_set: bool) -> None:  # noqa: FBT001 - typer's call
    if is_set:
        typer.echo(f"apphub-jobs {VERSION}")
        raise typer.Exit


@app.callback()
def common(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Take the options of the program itself."""
    del version


@command(
    app,
    help_text="Show a demonstration; with --play, run a service to try things with.\n\nThe"
    " demonstration ingests an app, prints its events as they arrive, kills a worker, and shows how"
    " its run recovers.",
)
def demo(
    *,
    repo: Annotated[
        Path | None, typer.Argument(help="A git repository; this one if left out.")
    ] = None,
    play: Annotated[
        bool,
        typer.Option(
            "--play",
            help="Instead, run a service with some history, and print what to try with it, until"
            " Ctrl-C, which leaves nothing behind.",
        ),
    ] = False,
    dashboard: Annotated[
        bool,
        typer.Option(
            "--open/--no-open",
            help="With --play: open the dashboard in a browser, in a desktop's terminal.",
        ),
    ] = True,
) -> None:
    """Show a demonstration, or run a service to try things with."""
    # Imported here, so that other commands start faster.
    from cli.demo import run_demo  # noqa: PLC0415
    from cli.play import run_play  # noqa: PLC0415

    if play:
        if repo is not None:
            raise typer.BadParameter("--play takes no repository")
        raise typer.Exit(run_play(opens_page=dashboard))

    # The demonstration builds only trusted repositories.
    os.environ.setdefault("APPHUB_BUILD_NETWORK", "host")
    raise typer.Exit(run_demo(repo or Path.cwd()))


def main() -> None:
    """Run the command line."""
    hide_arguments(SECRET_OPTIONS)
    fill_standard_descriptors()
    collect_garbage_rarely()  # Imports create many objects and no garbage.
    configure_logs(LogFormat.TEXT)  # Until a command has read its option.
    # The environment and the memory hold the database's password and keys.
    hide_from_other_processes()
    end_on_signals()
    may_begin = wait_for_parent()
    add_commands_for(sys.argv[1:])
    may_begin.wait()
    # Until a server handles signals itself, they raise, so that child processes are stopped.
    exit_on_signals()
    watch_lifeline()
    with report_lost_output():
        app()


def add_commands_for(arguments: Sequence[str]) -> None:
    """Import the command that these arguments name; if they name none, list all commands.

    Importing all would take a second.
    """
    if COMPLETION_VARIABLE in os.environ:
        arguments = _words_to_complete()
    first = arguments[0] if arguments else "--help"
    if first in {*COMMANDS, *GROUPS}:
        add_commands([first])
    elif first.startswith("-") and first not in {"--help", "--version"}:
        add_commands([*COMMANDS, *GROUPS])
    elif first not in {"demo", "--version"}:
        for name, line in HELP.items():
            app.command(name, help=line)(_listed)


def _listed() -> None:
    """Stand in for each command when all are listed; it is never called."""


def _words_to_complete() -> Sequence[str]:
    """Return the complete words of the command line, without the program's name."""
    words = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")
    return words.split(" ")[1:-1]


@cache
def complete() -> typer.Typer:
    """Return the application with all its commands."""
    add_commands([*COMMANDS, *GROUPS])
    return app


def add_commands(names: Iterable[str]) -> None:
    """Import commands and add them to the application."""
    paths: list[str] = []
    for name in names:
        if name in GROUPS:
            app.add_typer(_import(GROUPS[name]), name=name)
        if name in COMMANDS:
            paths.append(COMMANDS[name])
    for path in dict.fromkeys(paths):
        app.add_typer(_import(path))


def _import(path: str) -> typer.Typer:
    module, _, attribute = path.partition(":")
    imported: typer.Typer = getattr(import_module(module), attribute)
    return imported
