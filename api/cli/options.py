"""What the commands have in common: options, the database, and how they fail."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from api.bootstrap.log_stores import check_log_store
from worker.logs.object_store import LogStoreError

T = TypeVar("T")


Host = Annotated[str, typer.Option(envvar="APPHUB_HOST", help="Address to listen on.")]
Port = Annotated[
    int, typer.Option(envvar="APPHUB_PORT", min=0, max=65_535, help="Port; 0 picks a free one.")
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        envvar="APPHUB_DATA_DIR",
        help="Where run logs lie, and the private database if no URL is given.",
    ),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        envvar=["APPHUB_DATABASE_URL", "DATABASE_URL"],
        help="Your PostgreSQL, 15 or newer; without it a private one starts in the data directory.",
    ),
]
Archive = Annotated[
    Path | None,
    typer.Option(
        envvar="APPHUB_ARCHIVE",
        help="Directory of archived events; else archive in the data directory.",
        file_okay=False,
    ),
]
LogsStore = Annotated[
    str | None,
    typer.Option(
        envvar="APPHUB_LOGS_STORE",
        help="Where run logs are kept instead: s3://BUCKET/PREFIX, credentials in AWS_… variables; file:///DIRECTORY.",
    ),
]
TokensFile = Annotated[
    Path | None,
    typer.Option(
        envvar="APPHUB_TOKENS_FILE", help="JSON file of API tokens; without it the API is open."
    ),
]
SubjectKey = Annotated[
    Path | None,
    typer.Option(
        envvar="APPHUB_SUBJECT_KEY",
        help="The master key of personal data; else subjects.key in the data directory.",
    ),
]
Slots = Annotated[
    int, typer.Option(envvar="APPHUB_SLOTS", min=1, max=256, help="Runs executed at a time.")
]
LeaseS = Annotated[
    float,
    typer.Option(
        envvar="APPHUB_LEASE_S",
        min=1,
        max=3_600,
        help="Silence after which a worker counts as dead.",
    ),
]
Handlers = Annotated[
    list[str] | None,
    typer.Option("--handlers", envvar="APPHUB_HANDLERS", help="Module with a mapping HANDLERS."),
]
Commands = Annotated[
    Path | None,
    typer.Option(
        envvar="APPHUB_COMMANDS",
        help='JSON file {"NAME": ["program", …]}; run by the handlers command.NAME.',
    ),
]


def read(reader: Callable[[], T]) -> T:
    """Return what an operator's file or variables say; what is wrong with them is a clear error."""
    try:
        return reader()
    except (OSError, ValueError) as error:
        raise failure(error) from None


def check_logs_store(url: str | None, *, to_write: bool) -> None:
    """Find out before anything starts whether the store of run logs can be used."""
    if url is None:
        return
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"):
        if not os.environ.get(name, "http://").startswith(("http://", "https://")):
            raise failure(f"{name} is no URL: it must begin with https:// or http://")
    try:
        check_log_store(url, to_write=to_write)
    except LogStoreError as error:
        raise failure(error) from None


def failure(error: object) -> typer.Exit:
    """Say what is wrong, and return the exit to raise."""
    typer.echo(f"apphub-jobs: {error}", err=True)
    return typer.Exit(1)
