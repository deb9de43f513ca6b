"""`apphub-jobs doctor`: what works on this machine, what does not, and what to do about it.

First a function for each check, then the command.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import psycopg
import typer
from rich.text import Text

from api.bootstrap.database_url import url_without_password, without_secrets
from api.bootstrap.handlers import handler_packages
from api.data_directory import resolve_data_dir
from api.server_placement import (
    ACCOUNT,
    PlacementError,
    ServerUser,
    binaries,
    find_account,
    server_user,
)
from apphub_jobs.version import VERSION
from apphub_jobs_server import REMEDY, find_intruders
from catalog.handler_settings import handler_settings
from cli.backup import LAST_BACKUP
from cli.database import database_url
from cli.options import DatabaseOptions, command, exit_on_error
from cli.process.announcement import services
from cli.start.checks import find_builder
from cli.start.options import Pythons
from cli.start.tracing import collector_of, tracing_problem
from cli.terminal import AsJson, console, print_json
from domain.json_values import JsonObject
from eventlog.database.server_check import MINIMUM_VERSION
from migrations import runner
from runtime.files import UnusableDirectoryError
from runtime.logs import mask_secrets
from worker.executors.local.handler_process import probe_confinement
from worker.executors.packages import list_interpreters

State = Literal["ok", "warning", "wrong"]

LOW_SPACE_MB = 1_000

OWN_DATABASE = "or use a PostgreSQL of your own: --database-url"

CONNECT_TIMEOUT_S = 5

GIT_TIMEOUT_S = 10


@dataclass(frozen=True)
class Check:
    """The result of a check.

    Attributes:
        message: what the check found, for people.
        remedy: what to do; empty if nothing needs to be done.
    """

    name: str
    state: State
    message: str
    remedy: str = ""

    def present(self) -> JsonObject:
        """Return the check as JSON."""
        return {
            "name": self.name,
            "state": self.state,
            "message": self.message,
            "remedy": self.remedy,
        }


def program() -> Check:
    """Report the versions of the program and of Python, and the system."""
    python = platform.python_version()
    system = platform.system()
    machine = platform.machine()
    return Check("program", "ok", f"apphub-jobs {VERSION}, Python {python}, {system} {machine}")


def installation() -> Check:
    """Check that no other distribution has files in the service's packages."""
    intruders = list(find_intruders())
    if intruders:
        files = ", ".join(f"{intruder.file} of {intruder.distribution}" for intruder in intruders)
        message = f"other distributions have put files into its packages: {files}"
        return Check("installation", "wrong", message, REMEDY)
    return Check("installation", "ok", f"{sys.prefix}, without other distributions' files")


def data_directory(directory: Path) -> Check:
    """Check that the data directory can be written, or made where it does not exist."""
    existing = directory
    try:
        while not existing.exists():
            existing = existing.parent
    except OSError as error:
        message = f"{existing} cannot be read: {error.strerror}"
        return Check("data directory", "wrong", message, "type this as the user of the service")
    if not os.access(existing, os.W_OK | os.X_OK):
        message = f"{existing} cannot be written by this user"
        return Check("data directory", "wrong", message, "choose another --data-dir")
    free_mb = shutil.disk_usage(existing).free // 1_000_000
    message = f"{directory}, {free_mb} MB free"
    if free_mb < LOW_SPACE_MB:
        return Check("data directory", "warning", message, "free space on this disk")
    return Check("data directory", "ok", message)


def database(url: str | None, account: str | None) -> Check:
    """Check that the operator's database can be used, or a private one started."""
    if url is None:
        return _private_database(account)
    try:
        with psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S) as connection:
            version = connection.info.server_version
        schema = runner.current(url)
    except psycopg.Error as error:
        reason = without_secrets(str(error).strip(), url)
        return Check("database", "wrong", reason, "check --database-url")
    message = f"PostgreSQL {version // 10_000} at {url_without_password(url)}"
    if version < MINIMUM_VERSION:
        return Check("database", "wrong", message, "use PostgreSQL 15 or newer")
    if schema is not None and schema > runner.HEAD:
        message = f"{message}, schema {schema} of a newer version than this"
        return Check("database", "wrong", message, "run the newer version")
    if schema != runner.HEAD:
        message = f"{message}, schema {schema or 'empty'}"
        remedy = f"the next start brings it to {runner.HEAD}; or run: apphub-jobs migrate"
        return Check("database", "warning", message, remedy)
    return Check("database", "ok", f"{message}, schema {schema}")


def _private_database(account: str | None) -> Check:
    try:
        programs = binaries(_server_user(account))
    except PlacementError as error:
        return Check("database", "wrong", str(error), OWN_DATABASE)
    return Check("database", "ok", f"a private PostgreSQL, programs in {programs}")


def _server_user(account: str | None) -> ServerUser:
    """Return the user that the private server runs as; no account is created."""
    if os.geteuid() == 0 and not account and find_account(ACCOUNT) is None:
        return ServerUser(os.geteuid(), os.getegid(), {})
    return server_user(account)


def server_account(account: str | None) -> Check:
    """Check that the private server has an account that handlers never run as."""
    name = "account"
    if os.geteuid() != 0:
        message = (
            "the private PostgreSQL runs as the same user as handlers: only hiding protects its"
            " files from them"
        )
        remedy = "to separate them, give --database-url, or start the service as root"
        return Check(name, "warning", message, remedy)
    if not account and find_account(ACCOUNT) is None:
        message = f"the private PostgreSQL will run as {ACCOUNT}, which the first start creates"
        return Check(name, "ok", message)
    try:
        server_user(account)
    except PlacementError as error:
        return Check(name, "wrong", str(error), OWN_DATABASE)
    message = f"the private PostgreSQL runs as {account or ACCOUNT}, and handlers never do"
    return Check(name, "ok", message)


def confinement() -> Iterator[Check]:
    """Check how far this system can confine handlers' processes."""
    possible = probe_confinement()
    remedy = "allow user namespaces: docs/operations.md, What handlers can reach"
    if possible.hides:
        message = "handlers see neither the service's own files nor other attempts'"
        yield Check("hidden files", "ok", message)
    else:
        message = (
            "handlers can read the service's own files, with its keys, and those of other"
            " attempts: this system does not allow hiding them"
        )
        yield Check("hidden files", "warning", message, remedy)
    if possible.protects:
        message = "handlers can only read what is not their own (--writable)"
        yield Check("read-only", "ok", message)
    else:
        message = "handlers can change all files that this user can"
        yield Check("read-only", "warning", message, remedy)
    # Control groups, which few users may make, are not needed to end an attempt's processes.
    message = "not needed: supervisors end all processes of an attempt, and measure their memory"
    yield Check("cgroups", "ok", message)


def git() -> Check:
    """Check that git, which reads repositories, is installed and can be run."""
    program_path = shutil.which("git")
    if program_path is None:
        message = "git is not installed: no app can be ingested"
        return Check("git", "wrong", message, "apt-get install git")
    try:
        version = subprocess.run(  # noqa: S603 - a program of the system
            [program_path, "--version"],
            capture_output=True,
            text=True,
            check=True,
            timeout=GIT_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Check("git", "wrong", f"git cannot be run: {error}", "install it again")
    return Check("git", "ok", version.stdout.strip())


def builder(settings: Mapping[str, JsonObject]) -> Check:
    """Check that images can be built."""
    builder = find_builder(settings)
    if builder.is_usable:
        return Check("builds", "ok", builder.message)
    return Check("builds", "warning", builder.message, "everything else works without a builder")


def handlers_check(
    modules: Sequence[str] | None, commands: Path | None, pythons: Sequence[str] | None
) -> Iterator[Check]:
    """Check that the handlers can be imported, each by its own Python."""
    try:
        packages = handler_packages(modules, commands, pythons=pythons)
    except (ValueError, OSError) as error:
        remedy = "repair it, or leave it out of --handlers and --commands"
        yield Check("handlers", "wrong", str(error), remedy)
        return
    yield Check("handlers", "ok", ", ".join(packages))
    for python in list_interpreters(packages):
        names = ", ".join(python.entry_points)
        yield Check("python", "ok", f"{python.version}, {python.path}: {names}")


def traces(environ: Mapping[str, str]) -> Check:
    """Check that traces can be sent, if a collector is named."""
    name = "traces"
    collector = collector_of(environ)
    if collector is None:
        message = "not sent; to send them, name a collector in OTEL_EXPORTER_OTLP_ENDPOINT"
        return Check(name, "ok", message)
    message = f"to {mask_secrets(collector)}"
    problem = tracing_problem(environ)
    if problem is not None:
        return Check(name, "warning", f"not sent {message}", problem)
    return Check(name, "ok", message)


READY_TIMEOUT_S = 5


def service_is_ready(directory: Path) -> Check:
    """Check that the API that serves the data directory is ready."""
    try:
        urls = services(directory)
    except UnusableDirectoryError as error:
        return Check("service", "warning", str(error))
    if not urls:
        message = "no service runs in this data directory"
        return Check("service", "warning", message, "to start one: apphub-jobs up")
    reasons = _reasons_against(urls[0])
    if reasons:
        message = f"{urls[0]} is not ready: {'; '.join(reasons)}"
        return Check("service", "wrong", message, "docs/operations.md explains each reason")
    return Check("service", "ok", f"{urls[0]} is ready")


def _reasons_against(url: str) -> list[str]:
    try:
        with urlopen(f"{url}/ready", timeout=READY_TIMEOUT_S):  # noqa: S310 - the URL is our own
            return []
    except HTTPError as error:
        with suppress(ValueError, KeyError, TypeError):
            return [str(reason) for reason in json.load(error)["reasons"]]
        return [f"it answers {error.code}"]
    except (URLError, OSError) as error:
        return [f"it does not answer ({error})"]


def last_backup(directory: Path) -> Check:
    """Report the last backup that was made with this data directory."""
    name = "backup"
    try:
        last = json.loads((directory / LAST_BACKUP).read_bytes())
        message = f"{last['directory']}, position {last['position']}, {last['taken_at']}"
    except FileNotFoundError:
        remedy = "to make one: apphub-jobs backup DIR; docs/backup.md"
        return Check(name, "warning", "no backup was made from this data directory", remedy)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Check(name, "warning", f"{LAST_BACKUP} cannot be read: {error}")
    return Check(name, "ok", message)


doctor_app = typer.Typer()

MARKS = {"ok": ("ok", "green"), "warning": ("note", "yellow"), "wrong": ("WRONG", "red")}

WIDEST_NAME = len("data directory")


@command(doctor_app)
def doctor(
    *,
    database_options: DatabaseOptions,
    handlers: Annotated[
        list[str] | None,
        typer.Option("--handlers", envvar="APPHUB_HANDLERS", help="Module or file with handlers."),
    ] = None,
    python: Pythons = None,
    commands: Annotated[
        Path | None, typer.Option(envvar="APPHUB_COMMANDS", help="The file of declared commands.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check everything that the service needs, and say what to do if something is missing."""
    is_wrong = False
    for check in _checks(database_options, handlers, commands, python):
        _print_check(check, as_json=as_json)
        is_wrong |= check.state == "wrong"
    if is_wrong:
        raise typer.Exit(1)


def _checks(
    options: DatabaseOptions,
    handlers: list[str] | None,
    commands: Path | None,
    pythons: list[str] | None,
) -> Iterator[Check]:
    url = database_url(options)
    directory = resolve_data_dir(options.data_dir)
    yield program()
    yield installation()
    yield data_directory(directory)
    yield database(url, options.postgres_account)
    if url is None:
        yield server_account(options.postgres_account)
    yield service_is_ready(directory)
    yield last_backup(directory)
    yield git()
    settings = exit_on_error(lambda: handler_settings(os.environ, directory))
    yield builder(settings)
    yield from handlers_check(handlers, commands, pythons)
    yield traces(os.environ)
    yield from confinement()


def _print_check(check: Check, *, as_json: bool) -> None:
    if as_json:
        print_json(check.present())
        return
    word, style = MARKS[check.state]
    name = f"  {check.name:<{WIDEST_NAME}}  "
    out = console()
    out.print(Text.assemble((f"{word:<5}", style), name, check.message))
    if check.remedy:
        out.print(Text(f"       {check.remedy}", "dim"))
