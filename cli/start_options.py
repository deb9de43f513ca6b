"""What `up` and `dev` run as a whole: its options, what could be wrong with them, variables."""

import json
import logging
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self

import typer
from rich.console import Console
from rich.text import Text

from api.access import Hosts, Origins, Tokens, check_open, is_loopback, trusted_proxies
from api.bootstrap.handler_settings import handler_settings
from api.bootstrap.handlers import passed_variables
from api.bootstrap.service_files import ServiceFiles, service_files
from api.bootstrap.settings import Colour, shown_url
from api.embedded import directory_of
from apphub_jobs.contract import PermanentError
from apphub_jobs.version import VERSION
from catalog.handlers.builder import BuildSettings
from catalog.handlers.choice import usable
from cli.database import check_logs_store, database, database_url
from cli.options import (
    KeyOptions,
    ListeningOptions,
    StorageOptions,
    TokensFile,
    failure,
    read,
)
from cli.process.sockets import PortTakenError, bind, callable_url, inherited, url_of
from domain.jobs.definition import BUILD_ENTRY_POINT
from domain.json_values import JsonObject
from domain.workers import labels_of
from worker.executors.port import BUILTIN, TRUSTED, Access, HandlerPackage
from worker.executors.ray.executor import RayCluster, RayUnavailableError, need_ray

# Who may call the API, and by which names, found out before anything starts.

logger = logging.getLogger(__name__)

_OPEN_TO_OTHERS = (
    "the API has no tokens and listens on %s: everybody who reaches it may read and write"
    " everything and have images built (--insecure); give --tokens-file"
)


def tokens_in(file: Path | None) -> Tokens | None:
    """Return whose tokens the API takes, None where it takes none."""
    if file is None:
        return None
    return read(lambda: Tokens(file))


def hosts_of(listening: ListeningOptions, tokens: Tokens | None) -> Hosts | None:
    """Return by which names the API may be called; who has a token may use any, unless told."""
    if tokens is None:
        read(lambda: check_open(listening.host, insecure=listening.insecure))
    elif not listening.allowed_host:
        return None
    return read(lambda: Hosts(listening.host, listening.allowed_host or ()))


def origins_of(listening: ListeningOptions, tokens: Tokens | None) -> Origins:
    """Return which pages from elsewhere may use the API."""
    listed = listening.cors_origin or ()
    return read(lambda: Origins(listed, open_api=tokens is None))


def proxies_of(listening: ListeningOptions) -> tuple[str, ...]:
    """Return the proxies whose word is taken on where a client is."""
    return read(lambda: trusted_proxies(listening.trusted_proxy or ()))


def warn_of_former_variable() -> None:
    """Tell an operator whose proxy was believed because of a variable that it no longer is."""
    if os.environ.get("FORWARDED_ALLOW_IPS"):
        logger.warning(
            "FORWARDED_ALLOW_IPS is not read any more, so no proxy is believed because of it:"
            " give --trusted-proxy"
        )


def warn_if_open(listening: ListeningOptions, tokens: Tokens | None) -> None:
    """Tell an operator who insists on an API that everybody can use."""
    if tokens is None and not is_loopback(listening.host):
        logger.warning(_OPEN_TO_OTHERS, listening.host)


# What builds images on this machine, asked before anything needs it.


@dataclass(frozen=True)
class Builder:
    """Whether there is a builder.

    Attributes:
        told: its version, or what to do where there is none.
    """

    usable: bool
    told: str


def builder_found(settings: Mapping[str, JsonObject]) -> Builder:
    """Return which builder the built-in handlers would use.

    Args:
        settings: what they are told, by entry point.
    """
    try:
        chosen = BuildSettings.read(settings[BUILD_ENTRY_POINT])
        _, version = usable(chosen, _ignore)
    except PermanentError as error:
        return Builder(usable=False, told=str(error))
    return Builder(usable=True, told=version)


def _ignore(why: str) -> None:
    del why


# What `up` and `serve` share: the port, taken before all else, and what an API shows.

EnvironmentName = Annotated[
    str,
    typer.Option(
        envvar="APPHUB_ENVIRONMENT_NAME",
        help="What the dashboard calls this service, such as production.",
    ),
]
EnvironmentColour = Annotated[
    Colour,
    typer.Option(
        envvar="APPHUB_ENVIRONMENT_COLOUR",
        help="How the dashboard marks it; where it is red, dangerous actions ask for the name.",
    ),
]
ShowRuns = Annotated[
    bool,
    typer.Option(
        "--show-runs/--no-show-runs",
        envvar="APPHUB_SHOW_RUNS",
        help="Print a line for each start and end of a run.",
    ),
]


@contextmanager
def listening_on(given: ListeningOptions) -> Iterator[socket.socket]:
    """Give the socket that the API listens on: the parent's, if `up` has started this process."""
    try:
        listening = inherited(os.environ) or bind(given.host, given.port)
    except PortTakenError as error:
        raise failure(f"{error} (--port)") from None
    with listening:
        yield listening


# The options of a worker whose attempts run on a cluster.


@dataclass(frozen=True)
class RayOptions:
    """On which cluster of Ray attempts run, if they do."""

    ray_address: Annotated[
        str | None,
        typer.Option(
            envvar="APPHUB_RAY_ADDRESS",
            metavar="ADDRESS",
            help="Ray cluster on which attempts run; `local`: one of this host, for trying.",
        ),
    ] = None
    ray_runtime_env: Annotated[
        Path | None,
        typer.Option(
            envvar="APPHUB_RAY_RUNTIME_ENV",
            help='JSON file with what Ray brings to its nodes, such as {"working_dir": …}.',
        ),
    ] = None

    def cluster(self) -> RayCluster | None:
        """Return where attempts run; None for here.

        Raises:
            OSError: the file cannot be read.
            ValueError: Ray is not installed, or the file says something else.
        """
        if self.ray_address is None:
            return None
        try:
            need_ray()
        except RayUnavailableError as error:
            raise ValueError(str(error)) from None
        if self.ray_runtime_env is None:
            return RayCluster(self.ray_address)
        return RayCluster(self.ray_address, _runtime_env(self.ray_runtime_env))


def _runtime_env(path: Path) -> Mapping[str, Any]:
    try:
        told = json.loads(path.read_text())
    except ValueError as error:
        msg = f"{path} must hold JSON: {error}"
        raise ValueError(msg) from None
    if not isinstance(told, dict):
        msg = f'{path} must hold an object, such as {{"working_dir": "handlers"}}'
        raise ValueError(msg)  # noqa: TRY004 - what an operator wrote, not what a caller gave
    return told


# The options of whatever works: `worker`, `up` and `dev`.

DEV_NO_HANDLER_AFTER_S = 5.0
"""Under `dev` a missing handler is a typing error rather than a worker that is away."""


@dataclass(frozen=True)
class WorkOptions:
    """What a worker executes, and how much at a time."""

    slots: Annotated[
        int,
        typer.Option(
            envvar="APPHUB_SLOTS", min=1, max=256, help="Runs executed at a time."
        ),
    ] = 4
    shared_slots: Annotated[
        int,
        typer.Option(
            envvar="APPHUB_SHARED_SLOTS",
            min=0,
            max=2_000,
            help="Runs executed beside these, of jobs whose attempts share a process.",
        ),
    ] = 200
    lease_s: Annotated[
        float,
        typer.Option(
            envvar="APPHUB_LEASE_S",
            min=1,
            max=3_600,
            help="Silence after which a worker counts as dead.",
        ),
    ] = 15.0
    no_handler_after_s: Annotated[
        float | None,
        typer.Option(
            envvar="APPHUB_NO_HANDLER_AFTER_S",
            min=0,
            max=86_400,
            help="Seconds after which a run fails whose handler no living worker has; otherwise it"
            f" waits for one, but for {DEV_NO_HANDLER_AFTER_S:g} seconds under `dev`.",
        ),
    ] = None
    label: Annotated[
        list[str] | None,
        typer.Option(
            envvar="APPHUB_LABELS",
            metavar="NAME=VALUE",
            help="What jobs may ask of the worker; may be given several times.",
        ),
    ] = None
    handlers: Annotated[
        list[str] | None,
        typer.Option(
            "--handlers",
            envvar="APPHUB_HANDLERS",
            help="Module or file with handlers; may be given several times.",
        ),
    ] = None
    commands: Annotated[
        Path | None,
        typer.Option(
            envvar="APPHUB_COMMANDS",
            help='JSON file {"NAME": ["program", …]}; run by the handlers command.NAME.',
        ),
    ] = None
    allow_private_repositories: Annotated[
        bool,
        typer.Option(
            "--allow-private-repositories",
            envvar="APPHUB_ALLOW_PRIVATE_REPOSITORIES",
            help="Let apps name repositories on servers of this machine and of private networks.",
        ),
    ] = False
    pass_env: Annotated[
        list[str] | None,
        typer.Option(
            "--pass-env",
            envvar="APPHUB_PASS_ENV",
            metavar="NAME,…",
            help="Variables of the worker that handlers are given, as secrets that logs mask;"
            " MODULE:NAME,… for the handlers of a module or of command.NAME alone;"
            " may be given several times.",
        ),
    ] = None
    writable: Annotated[
        list[Path] | None,
        typer.Option(
            "--writable",
            envvar="APPHUB_WRITABLE",
            metavar="DIRECTORY",
            help="Where handlers may change files, beside their own directory, temporary ones and"
            " the one in which the worker is started; may be given several times.",
        ),
    ] = None
    trust_handlers: Annotated[
        bool,
        typer.Option(
            "--trust-handlers",
            envvar="APPHUB_TRUST_HANDLERS",
            help="Let handlers see the service's own files, keys included, and others' attempts,"
            " change all files that the worker can, and be root to the machine where it is.",
        ),
    ] = False


# What handlers shall not see, and the database as processes of the service open it.


def hidden_files(
    storage: StorageOptions, working: WorkOptions, *secret: Path | None
) -> ServiceFiles:
    """Return what handlers shall not see, what they may change, and what they are given."""
    given = working.pass_env or ()
    if working.trust_handlers:
        return read(lambda: ServiceFiles(passed_variables(TRUSTED, given)))
    directory = directory_of(storage.data_dir)
    files = read(
        lambda: service_files(
            os.environ,
            directory,
            storage.archive,
            *secret,
            writable=working.writable or (),
            account=storage.postgres_account,
        )
    )
    access = read(lambda: passed_variables(files.access, given))
    return replace(files, access=access)


def opened(storage: StorageOptions) -> AbstractContextManager[tuple[Path, str]]:
    """Open the database, and wait for a while where it is away."""
    return database(storage, patience_s=storage.wait_for_database_s)


@dataclass(frozen=True)
class ServingOptions(ListeningOptions):
    """Where the API listens, who may call it, and what it shows."""

    tokens_file: TokensFile = None
    show_runs: ShowRuns = True
    environment_name: EnvironmentName = ""
    environment_colour: EnvironmentColour = Colour.GREY


@dataclass(frozen=True)
class Whole:
    """The service with all its parts, as an operator wants it."""

    serving: ServingOptions
    storage: StorageOptions
    working: WorkOptions
    keys: KeyOptions

    def check(self) -> None:
        """Look at what could be wrong before anything starts; say it, and end, if it is.

        Raises:
            typer.Exit: something is wrong.
        """
        check_logs_store(self.storage.logs_store, to_write=True)
        tokens = tokens_in(self.serving.tokens_file)
        hosts_of(self.serving, tokens)
        origins_of(self.serving, tokens)
        proxies_of(self.serving)
        read(lambda: labels_of(self.working.label or ()))
        database_url(self.storage)

    @property
    def directory(self) -> Path:
        """Where the data directory is."""
        return directory_of(self.storage.data_dir)

    @property
    def access(self) -> Access:
        """What handlers reach of the host."""
        secret = (
            self.serving.tokens_file,
            self.keys.seal_key,
            self.keys.subject_key,
        )
        return hidden_files(self.storage, self.working, *secret).access

    def builder(self) -> Builder:
        """Return what builds images.

        Raises:
            typer.Exit: a variable about builds says what it cannot.
        """
        settings = read(lambda: handler_settings(os.environ, self.directory))
        return builder_found(settings)

    def environment(self) -> Mapping[str, str]:
        """Return the variables of the service's processes.

        Options are passed on as variables, for everybody on the machine can read a command line.
        """
        given = {
            **_of_serving(self.serving),
            **_of_storage(self.directory, self.storage, self.keys),
            **_of_working(self.working),
        }
        named = {
            f"APPHUB_{name}": str(value) for name, value in given.items() if value != ""
        }
        return {**os.environ, **named}


def _of_serving(serving: ServingOptions) -> Mapping[str, object]:
    return {
        "HOST": serving.host,
        "PORT": serving.port,
        "ALLOWED_HOSTS": " ".join(serving.allowed_host or ()),
        "CORS_ORIGINS": " ".join(serving.cors_origin or ()),
        "TRUSTED_PROXIES": " ".join(serving.trusted_proxy or ()),
        "INSECURE": serving.insecure or "",
        "TOKENS_FILE": serving.tokens_file or "",
        "SHOW_RUNS": serving.show_runs,
        "ENVIRONMENT_NAME": serving.environment_name,
        "ENVIRONMENT_COLOUR": serving.environment_colour,
    }


def _of_storage(
    directory: Path, storage: StorageOptions, keys: KeyOptions
) -> Mapping[str, object]:
    archive = storage.archive and storage.archive.resolve()
    return {
        "DATA_DIR": directory,
        "DATABASE_URL": storage.database_url or "",
        "POSTGRES_ACCOUNT": storage.postgres_account or "",
        "WAIT_FOR_DATABASE_S": storage.wait_for_database_s,
        "ARCHIVE": archive or "",
        "LOGS_STORE": storage.logs_store or "",
        "SEAL_KEY": keys.seal_key or "",
        "SEAL_EVERY_S": keys.seal_every_s,
        "SUBJECT_KEY": keys.subject_key or "",
    }


def _of_working(working: WorkOptions) -> Mapping[str, object]:
    no_handler_after_s = working.no_handler_after_s
    return {
        "SLOTS": working.slots,
        "SHARED_SLOTS": working.shared_slots,
        "LEASE_S": working.lease_s,
        "NO_HANDLER_AFTER_S": "" if no_handler_after_s is None else no_handler_after_s,
        "LABELS": " ".join(working.label or ()),
        "COMMANDS": working.commands or "",
        "ALLOW_PRIVATE_REPOSITORIES": working.allow_private_repositories or "",
        "PASS_ENV": " ".join(text.replace(" ", "") for text in working.pass_env or ()),
        "WRITABLE": " ".join(str(path.resolve()) for path in working.writable or ()),
        "TRUST_HANDLERS": working.trust_handlers or "",
    }


# What `up` and `dev` say at the start: where everything is, what is offered, how to stop.

WIDEST_NAME = len("no handler")

MOST_NAMES = 12
"""So many handlers of a package are named, the others are counted."""


def console() -> Console:
    """Return where notes are printed: standard error, whose lines are never broken in two."""
    return Console(stderr=True, soft_wrap=True, highlight=False)


def say(what: str | Text) -> None:
    """Print a note."""
    if isinstance(what, str):
        what = Text(what)
    with suppress(OSError):  # Of a terminal that is closed, nobody reads any more.
        console().print(what)


@dataclass(frozen=True, kw_only=True)
class Banner:
    """What there is to say before anything starts.

    Attributes:
        url: the address that is listened on.
        directory: the data directory.
        database_url: the operator's own database; None for the private one.
        handlers: the package of each entry point.
    """

    url: str
    directory: Path
    database_url: str | None
    has_tokens: bool
    handlers: Mapping[str, HandlerPackage]
    slots: int
    builder: Builder
    no_handler_after_s: float | None = None

    @classmethod
    def of(
        cls,
        whole: Whole,
        listening: socket.socket,
        handlers: Mapping[str, HandlerPackage],
    ) -> Self:
        """Return the banner of a service that is about to start."""
        return cls(
            url=url_of(listening),
            directory=whole.directory,
            database_url=database_url(whole.storage),
            has_tokens=whole.serving.tokens_file is not None,
            handlers=handlers,
            slots=whole.working.slots,
            builder=whole.builder(),
            no_handler_after_s=whole.working.no_handler_after_s,
        )

    def show(self) -> None:
        """Print it."""
        out = console()
        out.print(f"[bold]AppHub Jobs[/] {VERSION}")
        for name, value in self._lines():
            title = (f"  {name:<{WIDEST_NAME}}  ", "dim")
            line = Text.assemble(title, value)
            out.print(line)

    def _lines(self) -> Iterator[tuple[str, str]]:
        url = callable_url(self.url)
        yield "API", f"{url} ({self._access()})"
        yield "dashboard", url
        yield "docs", f"{url}/docs"
        yield "data", str(self.directory)
        yield "database", self._database()
        yield from self._offers()
        yield "at a time", f"{self.slots} runs (--slots)"
        if self.no_handler_after_s is not None:
            after = f"its runs fail after {self.no_handler_after_s:g} s"
            yield "no handler", f"{after} (--no-handler-after-s)"
        yield "builds", self.builder.told
        yield "stop", "Ctrl-C"

    def _access(self) -> str:
        if self.has_tokens:
            return "with the tokens of --tokens-file"
        return "open: without tokens"

    def _database(self) -> str:
        if self.database_url is None:
            return "a private PostgreSQL in the data directory"
        return shown_url(self.database_url)

    def _offers(self) -> Iterator[tuple[str, str]]:
        """Yield the handlers by package, the operator's own first."""
        named: dict[HandlerPackage, list[str]] = {}
        for name, package in self.handlers.items():
            of_package = named.setdefault(package, [])
            of_package.append(name)
        built_in = named.pop(BUILTIN, [])
        title = "handlers"
        for package, names in named.items():
            origin = ", ".join(package.modules) or "--commands"
            some = _some_of(names)
            yield title, f"{some} ({origin})"
            title = ""
        some = _some_of(built_in)
        yield title, f"{some} (built in)"


def _some_of(names: list[str]) -> str:
    left_out = len(names) - MOST_NAMES
    if left_out <= 0:
        return ", ".join(names)
    first = ", ".join(names[:MOST_NAMES])
    return f"{first} and {left_out} more"
