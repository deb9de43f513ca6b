"""`apphub-jobs doctor`: what works on this machine, what does not, and what to do about it.

First a function for each check, then whether a service runs in the data directory and is well, then
the command.
"""

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Literal
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import psycopg
import typer
from rich.text import Text

from api.bootstrap.environment import shown_url, without_secrets
from api.bootstrap.handlers import handler_packages
from api.data_directory import (
    ACCOUNT,
    PlacementError,
    ServerUser,
    binaries,
    directory_of,
    existing,
    server_user,
)
from apphub_jobs.version import VERSION
from catalog.handler_settings import handler_settings
from cli.database import database_url
from cli.options import DatabaseOptions, command, read
from cli.process.announcement import services
from cli.start.service import builder_found
from cli.terminal import AsJson, console, print_json
from domain.json_values import JsonObject
from migrations import runner
from worker.executors.local.workplace import possible_confinement

State = Literal["ok", "warning", "wrong"]

LITTLE_SPACE_MB = 1_000

MINIMUM_SERVER = 150_000
"""PostgreSQL 15, as libpq counts versions."""

CONNECT_TIMEOUT_S = 5

ASK_TIMEOUT_S = 10


@dataclass(frozen=True)
class Check:
    """How one thing is.

    Attributes:
        told: what was found.
        remedy: what to do; empty where nothing need be done.
    """

    name: str
    state: State
    told: str
    remedy: str = ""

    def present(self) -> JsonObject:
        """Return it for programs."""
        return {"name": self.name, "state": self.state, "told": self.told, "remedy": self.remedy}


def program() -> Check:
    """Tell which program looks."""
    python = platform.python_version()
    system = platform.system()
    machine = platform.machine()
    told = f"apphub-jobs {VERSION}, Python {python}, {system} {machine}"
    return Check("program", "ok", told)


def data_directory(directory: Path) -> Check:
    """Look whether the data directory, or where it would be made, can be written."""
    existing = directory
    while not existing.exists():
        existing = existing.parent
    if not os.access(existing, os.W_OK | os.X_OK):
        told = f"{existing} cannot be written by this user"
        return Check("data directory", "wrong", told, "choose another --data-dir")
    free_mb = shutil.disk_usage(existing).free // 1_000_000
    told = f"{directory}, {free_mb} MB free"
    if free_mb < LITTLE_SPACE_MB:
        return Check("data directory", "warning", told, "make room on this disk")
    return Check("data directory", "ok", told)


def database(url: str | None, account: str | None) -> Check:
    """Look whether the operator's database can be used, or a private one started."""
    if url is None:
        return _private_database(account)
    try:
        with psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S) as connection:
            version = connection.info.server_version
        schema = runner.current(url)
    except psycopg.Error as error:
        reason = without_secrets(str(error).strip(), url)
        return Check("database", "wrong", reason, "check --database-url")
    told = f"PostgreSQL {version // 10_000} at {shown_url(url)}"
    if version < MINIMUM_SERVER:
        return Check("database", "wrong", told, "use PostgreSQL 15 or newer")
    if schema is not None and schema > runner.HEAD:
        told = f"{told}, schema {schema} of a newer version than this"
        return Check("database", "wrong", told, "run the newer version")
    if schema != runner.HEAD:
        told = f"{told}, schema {schema or 'empty'}"
        remedy = f"the next start brings it to {runner.HEAD}; or run: apphub-jobs migrate"
        return Check("database", "warning", told, remedy)
    return Check("database", "ok", f"{told}, schema {schema}")


def _private_database(account: str | None) -> Check:
    try:
        programs = binaries(_looked_up(account))
    except PlacementError as error:
        return Check("database", "wrong", str(error), "or give --database-url")
    return Check("database", "ok", f"a private PostgreSQL, programs in {programs}")


def _looked_up(account: str | None) -> ServerUser:
    """Return as whom the private server runs, or would; nothing is made to find that out."""
    if os.geteuid() == 0 and not account and existing(ACCOUNT) is None:
        return ServerUser(os.geteuid(), os.getegid(), {})
    return server_user(account)


def server_account(account: str | None) -> Check:
    """Look whether the private server has an account that handlers never run as."""
    name = "account"
    if os.geteuid() != 0:
        told = (
            "the private PostgreSQL runs as this user, as handlers do: that its files are hidden"
            " from them is all that keeps them apart"
        )
        remedy = "for an account of its own give --database-url, or start the service as root"
        return Check(name, "warning", told, remedy)
    if not account and existing(ACCOUNT) is None:
        told = f"the private PostgreSQL will run as {ACCOUNT}, which the first start makes"
        return Check(name, "ok", told)
    try:
        server_user(account)
    except PlacementError as error:
        return Check(name, "wrong", str(error), "or give --database-url")
    told = f"the private PostgreSQL runs as {account or ACCOUNT}, and handlers never do"
    return Check(name, "ok", told)


def confinement() -> Iterator[Check]:
    """Look what handlers' processes can be kept from on this system."""
    possible = possible_confinement()
    remedy = "allow user namespaces: docs/operations.md, What handlers can reach"
    if possible.hides:
        told = "handlers see neither the service's own files nor other attempts'"
        yield Check("hidden files", "ok", told)
    else:
        told = (
            "handlers can read the service's own files, with its keys, and other attempts': this"
            " system lets no process hide them"
        )
        yield Check("hidden files", "warning", told, remedy)
    if possible.protects:
        told = "handlers can only read what is not their own (--writable)"
        yield Check("read-only", "ok", told)
    else:
        told = "handlers can change whatever files this user can"
        yield Check("read-only", "warning", told, remedy)
    yield _killing()


def _killing() -> Check:
    """Tell what ends an attempt's processes: no control group, which few users may make."""
    told = "not needed: supervisors find and end all that attempts start, and measure its memory"
    return Check("cgroups", "ok", told)


def git() -> Check:
    """Look whether repositories can be read."""
    found = shutil.which("git")
    if found is None:
        told = "git is not installed: no app can be ingested"
        return Check("git", "wrong", told, "apt-get install git")
    asked = subprocess.run(  # noqa: S603 - a program of the system
        [found, "--version"], capture_output=True, text=True, check=False, timeout=ASK_TIMEOUT_S
    )
    return Check("git", "ok", asked.stdout.strip())


def builder(settings: Mapping[str, JsonObject]) -> Check:
    """Look whether images can be built."""
    found = builder_found(settings)
    if found.usable:
        return Check("builds", "ok", found.told)
    return Check("builds", "warning", found.told, "everything else works without")


def handlers_check(modules: Sequence[str] | None, commands: Path | None) -> Check:
    """Look whether the handlers can be had."""
    try:
        found = handler_packages(modules, commands)
    except (ValueError, OSError) as error:
        remedy = "mend it, or leave it out of --handlers and --commands"
        return Check("handlers", "wrong", str(error), remedy)
    return Check("handlers", "ok", ", ".join(found))


TIMEOUT_S = 5

NAME = "service"


def service_is_well(directory: Path) -> Check:
    """Ask the API that serves the data directory whether it is ready."""
    found = services(directory)
    if not found:
        told = "none runs in this data directory"
        return Check(NAME, "warning", told, "to start one: apphub-jobs up")
    url = found[0]
    reasons = _reasons_against(url)
    if reasons:
        told = f"{url} is not ready: {'; '.join(reasons)}"
        return Check(NAME, "wrong", told, "docs/operations.md tells of each reason")
    return Check(NAME, "ok", f"{url} is ready")


def _reasons_against(url: str) -> list[str]:
    try:
        with urlopen(f"{url}/ready", timeout=TIMEOUT_S):  # noqa: S310 - the URL is our own
            return []
    except HTTPError as error:
        if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
            return [f"it answers {error.code}"]
        answer = json.load(error)
        return [str(reason) for reason in answer["reasons"]]
    except (URLError, OSError) as error:
        return [f"it does not answer ({error})"]


doctoring = typer.Typer()

MARKS = {"ok": ("ok", "green"), "warning": ("note", "yellow"), "wrong": ("WRONG", "red")}

WIDEST_NAME = len("data directory")


@command(doctoring)
def doctor(
    *,
    place: DatabaseOptions,
    handlers: Annotated[
        list[str] | None,
        typer.Option("--handlers", envvar="APPHUB_HANDLERS", help="Module or file with handlers."),
    ] = None,
    commands: Annotated[
        Path | None, typer.Option(envvar="APPHUB_COMMANDS", help="The file of declared commands.")
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
    yield program()
    yield data_directory(directory)
    yield database(url, place.postgres_account)
    if url is None:
        yield server_account(place.postgres_account)
    yield service_is_well(directory)
    yield git()
    settings = read(lambda: handler_settings(os.environ, directory))
    yield builder(settings)
    yield handlers_check(handlers, commands)
    yield from confinement()


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
