"""`apphub-jobs dev`: everything at once, for handlers that are being written."""

import os
from contextlib import closing, suppress
from dataclasses import replace
from typing import Annotated

import typer
from rich.text import Text

from api.bootstrap.handlers import handler_source
from cli.database import database
from cli.options import KeyOptions, StorageOptions, command, failure, read
from cli.process.dev import (
    KEPT,
    Developer,
    DevEvents,
    Workshop,
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
        bool, typer.Option("--output", "-o", help="Show what runs print from the start.")
    ] = False,
    dashboard: Annotated[
        bool,
        typer.Option(
            "--open/--no-open",
            help="Open the dashboard in a browser, in the foreground and on a screen.",
        ),
    ] = True,
    serving: ServingOptions,
    storage: StorageOptions,
    working: WorkOptions,
    keys: KeyOptions,
) -> None:
    """Run everything for handlers that are being written, until Ctrl-C.

    Their jobs are registered; whenever a file changes, the handlers are replaced, and running
    attempts continue with the previous ones.
    """
    grace_s = working.grace_s(DEV_STOP_GRACE_S)
    working = replace(working, stop_grace_s=grace_s)
    if working.no_handler_after_s is None:
        working = replace(working, no_handler_after_s=DEV_NO_HANDLER_AFTER_S)
    options = AllOptions(serving, storage, working, keys)
    check(options)
    modules = [*files, *(working.handlers or ())]
    source = read(
        lambda: handler_source(modules, working.commands, access_of(options), working.python or ())
    )
    with listening_on(serving) as listening:
        events = DevEvents()
        workshop = Workshop(source, events)
        # `dev` is for people, whatever format the log of a service is to have here.
        environment = {**options.environment(), "APPHUB_LOG_FORMAT": LogFormat.TEXT.value}
        with closing(
            Developer(environment, listening, _say, grace_s, workshop, events)
        ) as developer:
            # The rest is prepared while the processes import their code.
            developer.prepare()
            _probe(workshop)
            handlers = packages_by_name(workshop.offers)
            Banner.of(options, listening, handlers).show()
            with (
                database(storage, patience_s=storage.wait_for_database_s),
                read_keys(events) as has_keys,
                watch_files(source, events),
            ):
                developer.has_keys = has_keys
                developer.shows_output = output
                is_visible = has_keys and has_screen(os.environ)
                developer.opens_dashboard = dashboard and is_visible
                code = developer.run()
    raise typer.Exit(code)


def _say(note: str | Text) -> None:
    with suppress(OSError):  # The terminal may be closed.
        console().print(Text(note) if isinstance(note, str) else note)


def _probe(workshop: Workshop) -> None:
    """Probe the handlers for the first time, and print what is wrong with them."""
    try:
        problem = workshop.first()
    except HandlersError as error:
        raise failure(error) from None
    if problem is not None:
        _say(Text(problem, "red"))
        _say(KEPT)
