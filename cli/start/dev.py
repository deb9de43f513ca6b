"""`apphub-jobs dev`: database, API and worker for handlers under development."""

import os
from contextlib import closing, suppress
from dataclasses import replace
from typing import Annotated

import typer
from rich.text import Text

from api.bootstrap.handlers import handler_source
from cli.database import database
from cli.options import KeyOptions, StorageOptions, command, exit_on_error, failure
from cli.process.dev import (
    PREVIOUS_STAY,
    DevEvents,
    DevSupervisor,
    HandlerProbes,
    has_screen,
    packages_by_name,
    read_keys,
    watch_files,
)
from cli.start.banner import Banner, console
from cli.start.checks import access_of, check
from cli.start.listening import listening_on
from cli.start.options import DEV_NO_HANDLER_AFTER_S, DEV_STOP_GRACE_S, WorkOptions
from cli.start.service import AllOptions, ServingOptions
from runtime.logs import LogFormat
from worker.executors.local.probe import HandlersError

dev_app = typer.Typer()


@command(dev_app)
def dev(  # noqa: PLR0913 - one for each group of options
    *,
    files: Annotated[
        list[str], typer.Argument(help="Python files or modules with functions under @job.")
    ],
    output: Annotated[
        bool, typer.Option("--output", "-o", help="Show the output of runs.")
    ] = False,
    dashboard: Annotated[
        bool,
        typer.Option(
            "--open/--no-open",
            help="Open the dashboard in a browser, in the foreground of a desktop's terminal.",
        ),
    ] = True,
    serving: ServingOptions,
    storage: StorageOptions,
    working: WorkOptions,
    keys: KeyOptions,
) -> None:
    """Run database, API and worker for handlers under development, until Ctrl-C.

    Their jobs are registered. When a file changes, the handlers are reloaded; running attempts
    continue with the previous ones.
    """
    grace_s = working.grace_s(DEV_STOP_GRACE_S)
    working = replace(working, stop_grace_s=grace_s)
    if working.no_handler_after_s is None:
        working = replace(working, no_handler_after_s=DEV_NO_HANDLER_AFTER_S)
    options = AllOptions(serving, storage, working, keys)
    check(options)
    modules = [*files, *(working.handlers or ())]
    source = exit_on_error(
        lambda: handler_source(modules, working.commands, access_of(options), working.python or ())
    )
    with listening_on(serving) as listening:
        events = DevEvents()
        probes = HandlerProbes(source, events)
        # `dev` is for people, whatever format the log of a service is to have here.
        environment = {**options.environment(), "APPHUB_LOG_FORMAT": LogFormat.TEXT.value}
        with closing(
            DevSupervisor(environment, listening, _say, grace_s, probes, events)
        ) as supervisor:
            # The rest is prepared while the processes import their code.
            supervisor.prepare()
            _probe(probes)
            handlers = packages_by_name(probes.offers)
            Banner.of(options, listening, handlers).show()
            with (
                database(storage, patience_s=storage.wait_for_database_s),
                read_keys(events) as has_keys,
                watch_files(source, events),
            ):
                supervisor.has_keys = has_keys
                supervisor.shows_output = output
                is_visible = has_keys and has_screen(os.environ)
                supervisor.opens_dashboard = dashboard and is_visible
                code = supervisor.run()
    raise typer.Exit(code)


def _say(note: str | Text) -> None:
    with suppress(OSError):  # The terminal may be closed.
        console().print(Text(note) if isinstance(note, str) else note)


def _probe(probes: HandlerProbes) -> None:
    """Probe the handlers for the first time, and print what is wrong with them."""
    try:
        problem = probes.probe_now()
    except HandlersError as error:
        raise failure(error) from None
    if problem is not None:
        _say(Text(problem, "red"))
        _say(PREVIOUS_STAY)
