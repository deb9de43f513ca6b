"""Groups of options that several commands take, and the decorator `command` that expands them."""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

import typer

from apphub_jobs.errors import ClientError
from runtime.files import UnusableDirectoryError
from runtime.logs import LogFormat, configure_logs, is_logging_json
from runtime.process import ClockShift

logger = logging.getLogger(__name__)

T = TypeVar("T")

Run = TypeVar("Run", bound=Callable[..., None])


def command(
    app: typer.Typer,
    name: str | None = None,
    help_text: str | None = None,
    *,
    reads_database: bool = False,
) -> Callable[[Run], Run]:
    """Add a function to `app` as a command.

    A parameter whose type is a dataclass stands for one option for each of its fields.

    Args:
        app: the application or group.
        name: the command's name, if it is not the function's.
        help_text: its help, if it is not the docstring.
        reads_database: whether the command needs the database itself. Then it refuses a service's
            address, unless a data directory or a database is named as well.
    """

    def add(run: Run) -> Run:
        app.command(name, help=help_text)(_with_flat_options(run, reads_database=reads_database))
        return run

    return add


_ADDRESS = "url"

_Address = Annotated[str | None, typer.Option(envvar="APPHUB_URL", hidden=True)]


_CONTEXT = "context"


def _refuse_address(path: str, values: Mapping[str, object], address: object) -> None:
    if address is None or values["data_dir"] or values.get("database_url"):
        return
    raise failure(
        f"{path} needs the database itself, and --url or APPHUB_URL names a service:"
        " type it where the service's data are, with --data-dir or --database-url"
    )


MAX_INTEGER = 2**63 - 1
"""No counter, position or limit is larger, here or in the service."""


def _refuse_large_number(name: str, value: object) -> None:
    if isinstance(value, int) and value > MAX_INTEGER:
        raise typer.BadParameter(f"--{name.replace('_', '-')}: {value} is too large")


def _with_flat_options(run: Callable[..., None], *, reads_database: bool) -> Callable[..., None]:
    """Return the command with one parameter for each option, which is what typer understands."""
    groups: dict[str, type[Any]] = {}
    options: list[Parameter] = []
    for parameter in _parameters(run):
        kind: type[Any] = parameter.annotation
        if is_dataclass(kind):
            groups[parameter.name] = kind
            options += _parameters(kind)
        else:
            options.append(parameter)
    if reads_database:
        options += [
            Parameter(_ADDRESS, Parameter.KEYWORD_ONLY, default=None, annotation=_Address),
            Parameter(_CONTEXT, Parameter.KEYWORD_ONLY, annotation=typer.Context),
        ]

    @wraps(run)
    def called(**values: object) -> None:
        if reads_database:
            context = cast("typer.Context", values.pop(_CONTEXT))
            address = values.pop(_ADDRESS)
            _refuse_address(context.command_path, values, address)
        for name, value in values.items():
            _refuse_large_number(name, value)
        grouped: dict[str, object] = {}
        for name, group in groups.items():
            grouped[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        try:
            run(**values, **grouped)
        except (ClientError, UnusableDirectoryError) as error:
            raise failure(error) from None

    called.__signature__ = Signature(options)  # type: ignore[attr-defined]  # read by `inspect`
    return called


def _parameters(function: Callable[..., Any]) -> list[Parameter]:
    """Return the parameters, keyword-only, so that their order and defaults do not matter."""
    return [
        parameter.replace(kind=Parameter.KEYWORD_ONLY)
        for parameter in signature(function).parameters.values()
    ]


def _check_encoding(path: Path | None) -> Path | None:
    """Refuse a path that is not UTF-8: the private database's URL could not hold it."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        msg = f"{str(path)!r} is not UTF-8: give another name"
        raise typer.BadParameter(msg) from None
    return path


DataDir = Annotated[
    Path | None,
    typer.Option(
        envvar="APPHUB_DATA_DIR",
        callback=_check_encoding,
        help="The data directory: run logs, keys, and the private database if no URL is given.",
    ),
]
SubjectKey = Annotated[
    Path | None,
    typer.Option(
        envvar="APPHUB_SUBJECT_KEY",
        help="The master key of personal data; default: subjects.key in the data directory.",
    ),
]
SealKey = Annotated[
    Path | None,
    typer.Option(
        envvar="APPHUB_SEAL_KEY",
        help="The key that seals the log; default: seal.key in the data directory.",
    ),
]
ServiceUrl = Annotated[
    str | None,
    typer.Option(
        envvar="APPHUB_URL",
        help="The service's address; default: the service that runs in the data directory.",
    ),
]
Token = Annotated[
    str | None, typer.Option(envvar="APPHUB_TOKEN", help="The token, if the service requires one.")
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        envvar=["APPHUB_DATABASE_URL", "DATABASE_URL"],
        help="Your PostgreSQL, 15 or newer; without it a private one starts in the data directory.",
    ),
]


@dataclass(frozen=True)
class DatabaseOptions:
    """Where the database is."""

    data_dir: DataDir = None
    database_url: DatabaseUrl = None
    postgres_account: Annotated[
        str | None,
        typer.Option(
            envvar="APPHUB_POSTGRES_ACCOUNT",
            help="The account that runs the private PostgreSQL if root starts it, used by nothing"
            " else; default: apphub-jobs, which is created.",
        ),
    ] = None


@dataclass(frozen=True)
class LogOptions(DatabaseOptions):
    """Where the log is, including its archived part."""

    archive: Annotated[
        Path | None,
        typer.Option(
            envvar="APPHUB_ARCHIVE",
            help="Directory of archived events; default: archive in the data directory.",
            file_okay=False,
        ),
    ] = None


@dataclass(frozen=True)
class KeyedLogOptions(LogOptions):
    """Where the log is, with the key of its personal data."""

    subject_key: SubjectKey = None


@dataclass(frozen=True)
class StorageOptions(LogOptions):
    """Where a process of the service stores its data."""

    logs_store: Annotated[
        str | None,
        typer.Option(
            envvar="APPHUB_LOGS_STORE",
            help="A store for run logs instead of the data directory: s3://BUCKET/PREFIX, with"
            " credentials in AWS_… variables, or file:///DIRECTORY.",
        ),
    ] = None

    wait_for_database_s: Annotated[
        float,
        typer.Option(
            envvar="APPHUB_WAIT_FOR_DATABASE_S",
            min=0,
            help="Seconds to wait at the start for a database that cannot be reached.",
        ),
    ] = 60.0


def _configure_logs(log_format: LogFormat) -> LogFormat:
    """Log in this format from now on, also while the other options are read."""
    configure_logs(log_format)
    return log_format


@dataclass(frozen=True)
class LoggingOptions:
    """How a process writes its log."""

    log_format: Annotated[
        LogFormat,
        typer.Option(
            envvar="APPHUB_LOG_FORMAT",
            callback=_configure_logs,
            is_eager=True,
            help="How the service's own log is written: for people, or a JSON object a line.",
        ),
    ] = LogFormat.TEXT


@dataclass(frozen=True)
class ListeningOptions:
    """Where the API listens."""

    host: Annotated[str, typer.Option(envvar="APPHUB_HOST", help="Address to listen on.")] = (
        "127.0.0.1"
    )
    port: Annotated[
        int, typer.Option(envvar="APPHUB_PORT", min=0, max=65_535, help="Port; 0 picks a free one.")
    ] = 4000
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            envvar="APPHUB_ALLOWED_HOSTS",
            help="A host name by which clients may call the API, besides its address"
            " and localhost; may be given several times.",
        ),
    ] = None
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(
            envvar="APPHUB_CORS_ORIGINS",
            help="A web page's origin, such as https://apphub.example, that may use the API"
            " from a browser; may be given several times; * for all, with --tokens-file."
            " Without tokens pages of this machine may, too.",
        ),
    ] = None
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(
            envvar="APPHUB_TRUSTED_PROXIES",
            help="Address or network of a proxy that is trusted to name the client's address"
            " (X-Forwarded-For); with commas, or several times. None by default.",
        ),
    ] = None
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure",
            envvar="APPHUB_INSECURE",
            help="Allow an API without tokens on an address that others can reach.",
        ),
    ] = False


TokensFile = Annotated[
    Path | None,
    typer.Option(
        envvar="APPHUB_TOKENS_FILE",
        help="JSON file of API tokens; without it the API is open,"
        " and listens on loopback addresses only.",
    ),
]


ClockShiftFile = Annotated[
    ClockShift | None,
    typer.Option(
        envvar="APPHUB_CLOCK_SHIFT",
        hidden=True,
        parser=lambda path: ClockShift(Path(path)),
        help="A file with the shift of a test service's clock.",
    ),
]


@dataclass(frozen=True)
class SealingOptions:
    """How the log is sealed."""

    seal_key: SealKey = None
    seal_every_s: Annotated[
        float,
        typer.Option(
            envvar="APPHUB_SEAL_EVERY_S",
            min=0,
            max=3_600,
            help="Seconds that an event may wait for its seal; 0: the log is not sealed.",
        ),
    ] = 1.0


@dataclass(frozen=True)
class KeyOptions(SealingOptions):
    """The keys of a service that seals its log."""

    subject_key: SubjectKey = None


def exit_on_error(function: Callable[[], T]) -> T:
    """Return the function's result; its OSError or ValueError ends the command with a message."""
    try:
        return function()
    except (OSError, ValueError) as error:
        raise failure(error) from None


def say(note: str) -> None:
    """Print a note to standard error, or log it where the log is for programs."""
    if is_logging_json():
        logger.info("%s", note)
        return
    with suppress(OSError):  # The terminal may be closed.
        typer.echo(note, err=True)


def failure(error: object) -> typer.Exit:
    """Print an error, or log it where the log is for programs; return the exit to raise."""
    if is_logging_json():
        logger.error("%s", error)
    else:
        typer.echo(f"apphub-jobs: {error}", err=True)
    return typer.Exit(1)
