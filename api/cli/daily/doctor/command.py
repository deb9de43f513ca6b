"""`apphub-jobs doctor`: what works on this machine, what does not, and what to do about it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from api.bootstrap.handler_settings import handler_settings
from api.cli.daily.doctor import checks
from api.cli.daily.doctor.checks import Check
from api.cli.daily.doctor.well import service_is_well
from api.cli.opening.database import database_url
from api.cli.options import DatabaseOptions, command, read
from api.cli.screen import AsJson, console, print_json
from api.embedded.data_directory import directory_of

doctoring = typer.Typer()

MARKS = {
    "ok": ("ok", "green"),
    "warning": ("note", "yellow"),
    "wrong": ("WRONG", "red"),
}

WIDEST_NAME = len("data directory")


@command(doctoring)
def doctor(
    *,
    place: DatabaseOptions,
    handlers: Annotated[
        list[str] | None,
        typer.Option(
            "--handlers", envvar="APPHUB_HANDLERS", help="Module or file with handlers."
        ),
    ] = None,
    commands: Annotated[
        Path | None,
        typer.Option(envvar="APPHUB_COMMANDS", help="The file of declared commands."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look at everything that the service needs, and say what to do where something is missing."""
    found: list[Check] = []
    for check in _checks(place, handlers, commands):
        found.append(check)
        _show(check, as_json=as_json)
    if any(check.state == "wrong" for check in found):
        raise typer.Exit(1)


def _checks(
    place: DatabaseOptions, handlers: list[str] | None, commands: Path | None
) -> Iterator[Check]:
    url = database_url(place)
    directory = directory_of(place.data_dir)
    yield checks.program()
    yield checks.data_directory(directory)
    yield checks.database(url, place.postgres_account)
    if url is None:
        yield checks.server_account(place.postgres_account)
    yield service_is_well(directory)
    yield checks.git()
    settings = read(lambda: handler_settings(os.environ, directory))
    yield checks.builder(settings)
    yield checks.handlers(handlers, commands)
    yield from checks.confinement()


def _show(check: Check, *, as_json: bool) -> None:
    if as_json:
        print_json(check.present())
        return
    word, style = MARKS[check.state]
    mark = (f"{word:<5}", style)
    name = f"  {check.name:<{WIDEST_NAME}}  "
    line = Text.assemble(mark, name)
    line.append(check.told)
    out = console()
    out.print(line)
    if check.remedy:
        remedy = Text(f"       {check.remedy}", "dim")
        out.print(remedy)
