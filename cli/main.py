"""The command line.

Options come from flags or `APPHUB_…` variables; nothing below reads the environment.
"""

import logging
import os
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from apphub_jobs.version import VERSION
from cli.options import command
from cli.process.signals import (
    exit_when_asked,
    heard_from_parent,
    interrupted_by_exception,
    watch_lifeline,
)
from cli.terminal import told_where_output_is_lost
from runtime.process import fill_standard_descriptors, hide_arguments, keep_to_itself, look_seldom

GROUPS = {
    "apps": "cli.apps:apps_app",
    "bulk": "cli.bulk:bulk_app",
    "events": "cli.events:events_app",
    "failures": "cli.failures:failures_app",
    "jobs": "cli.jobs:jobs_app",
    "log": "cli.log:app",
    "runs": "cli.runs:runs_app",
    "schedules": "cli.schedules:schedules_app",
    "seal": "cli.seal:app",
    "subjects": "cli.subjects:app",
    "workers": "cli.workers:workers_app",
}
"""Commands of several words, by the first one, and where they are."""

COMMANDS = {
    "dev": "cli.start.dev:developing",
    "up": "cli.start.up:up_app",
    "run": "cli.runs:running",
    "ready": "cli.wait:readiness",
    "serve": "cli.start.serve:serving",
    "worker": "cli.start.worker:workers",
    "doctor": "cli.doctor:doctor_app",
    "verify": "cli.projections:operators_app",
    "projections": "cli.projections:operators_app",
    "migrate": "cli.projections:operators_app",
    "sql": "cli.sql:querying",
    "test-service": "cli.start.test_service:testing",
}
"""The other commands, and where they are; those of a file come together."""

SECRET_OPTIONS = ("--database-url", "--token")
"""Whose values are no business of other accounts, which may read every command line."""

COMPLETION_VARIABLE = "_APPHUB_JOBS_COMPLETE"
"""A shell asks by it what could follow."""

app = typer.Typer(
    name="apphub-jobs",
    help="Registers jobs, launches runs, executes and tracks them;"
    " every change is an event in an append-only log.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _tell_version(asked: bool) -> None:  # noqa: FBT001 - typer's call
    if asked:
        typer.echo(f"apphub-jobs {VERSION}")
        raise typer.Exit


@app.callback()
def common(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and end.", callback=_tell_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Take what holds for all commands."""
    del version


@command(
    app,
    help_text="Show everything at work: start from nothing, ingest a repository, print its events"
    " as they arrive, kill a worker and watch its run recover.",
)
def demo(
    *,
    repo: Annotated[
        Path | None, typer.Argument(help="A git repository; this one if left out.")
    ] = None,
) -> None:
    """Show everything at work."""
    # Here, for others need not wait for all that this imports.
    from cli.demo import run_demo  # noqa: PLC0415

    # It builds what it is given and its own, and ends with that.
    os.environ.setdefault("APPHUB_BUILD_NETWORK", "host")
    raise typer.Exit(run_demo(repo or Path.cwd()))


def main() -> None:
    """Run the command line."""
    hide_arguments(SECRET_OPTIONS)
    fill_standard_descriptors()
    look_seldom()  # To import makes many objects, and no garbage.
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for chatty in (
        "alembic.runtime.plugins",
        "alembic.runtime.migration",
        "httpx",
        "uvicorn.error",
        "watchfiles.main",
    ):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # The environment and the memory hold the database's password and keys.
    keep_to_itself()
    # Until a server has its own ways: end by an exception, so that what was started is stopped
    # again.
    exit_when_asked()
    may_begin = heard_from_parent()
    add_commands(needed(sys.argv[1:]))
    may_begin.wait()
    watch_lifeline()
    interrupted_by_exception()
    with told_where_output_is_lost():
        app()


def needed(arguments: Sequence[str]) -> list[str]:
    """Return the commands that must be there for these arguments: one, or all of them.

    To import all would keep each command waiting.
    """
    known = [*COMMANDS, *GROUPS]
    if COMPLETION_VARIABLE in os.environ:
        arguments = _typed_so_far()
    if not arguments:
        return known
    first = arguments[0]
    if first in known:
        return [first]
    if first in {"demo", "--version"}:
        return []
    return known


def _typed_so_far() -> Sequence[str]:
    """Return the words after which a shell asks what could follow, but for the program's."""
    typed = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")
    words = typed.split(" ")
    return words[1:-1]


@cache
def complete() -> typer.Typer:
    """Return the application with all its commands."""
    add_commands([*COMMANDS, *GROUPS])
    return app


def add_commands(names: Iterable[str]) -> None:
    """Add commands to the application."""
    places: list[str] = []
    for name in names:
        if name in GROUPS:
            group = _found(GROUPS[name])
            app.add_typer(group, name=name)
        if name in COMMANDS:
            places.append(COMMANDS[name])
    for place in dict.fromkeys(places):
        commands = _found(place)
        app.add_typer(commands)


def _found(place: str) -> typer.Typer:
    module, _, attribute = place.partition(":")
    found: typer.Typer = getattr(import_module(module), attribute)
    return found
