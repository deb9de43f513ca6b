"""Which service a command speaks to, and how what goes wrong there is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import typer

from api.cli.options import DataDir
from api.embedded.data_directory import directory_of
from api.process.announced import services
from apphub_jobs.client import (
    AccessError,
    ApiError,
    Client,
    ClientError,
)

ERROR, USAGE, NO_ACCESS = 1, 2, 4

SHOWN_BEFORE = 40
"""So many characters are shown before the one that is wrong."""

RETRY_S = 3.0
"""How long a command goes on where nobody answers: who types it would rather know soon."""

REMEDIES = {
    "job_not_found": "to see all jobs: apphub-jobs jobs list",
    "run_not_found": "to see the newest runs: apphub-jobs runs list",
    "attempt_not_found": "to see its attempts: apphub-jobs runs show RUN",
    "app_not_found": "to see all apps: apphub-jobs apps list",
    "schedule_not_found": "to see all schedules: apphub-jobs schedules list",
    "schedule_exists": "to change it: apphub-jobs schedules apply FILE",
    "bulk_not_found": "to see all bulk operations: apphub-jobs bulk list",
    "worker_not_found": "to see all workers: apphub-jobs workers list",
    "worker_lost": "to see who lives: apphub-jobs workers list",
    "app_exists": "choose another --id, or see it: apphub-jobs apps show APP",
    "run_already_ended": "to run it again: apphub-jobs runs retry RUN",
    "run_not_ended": "to stop it first: apphub-jobs runs cancel RUN",
    "run_is_there": "to see it: apphub-jobs runs show RUN",
    "runs_are_unique": "to launch one: apphub-jobs schedules trigger SCHEDULE",
    "not_apphub_jobs": "check --url and APPHUB_URL",
}
"""By the service's codes, what to do next."""


@dataclass(frozen=True)
class ServiceOptions:
    """Where the service is, and who asks."""

    url: Annotated[
        str | None,
        typer.Option(
            envvar="APPHUB_URL",
            help="The service's address; else the one that runs in the data directory.",
        ),
    ] = None
    token: Annotated[
        str | None,
        typer.Option(
            envvar="APPHUB_TOKEN", help="Who asks, where the service wants to know."
        ),
    ] = None
    data_dir: DataDir = None


@contextmanager
def connected(to: ServiceOptions, retry_s: float = RETRY_S) -> Iterator[Client]:
    """Give a client of the service; what it refuses ends the command with a clear message."""
    url = to.url or _running(to)
    try:
        with Client(url, to.token, retry_for=retry_s) as client:
            yield client
    except AccessError as error:
        raise _ended(f"{error}; give --token or APPHUB_TOKEN", NO_ACCESS) from None
    except ApiError as error:
        raise _ended(_with_remedy(error), ERROR) from None
    except UnicodeEncodeError as error:
        begin = max(0, error.start - SHOWN_BEFORE)
        shown = error.object[begin : error.end]
        raise _ended(f"{shown!r} is not UTF-8", USAGE) from None
    except (ClientError, ValueError) as error:
        raise _ended(f"{error}", ERROR) from None


def another(client: Client, to: ServiceOptions) -> Client:
    """Return one more client of the same service, for another thread."""
    return Client(client.url, to.token)


def _with_remedy(error: ApiError) -> str:
    """Return the service's own words, and which command helps."""
    remedy = REMEDIES.get(error.code)
    if remedy is None:
        return str(error)
    return f"{error}; {remedy}"


def _running(to: ServiceOptions) -> str:
    """Return the address of the service that runs in the data directory."""
    directory = directory_of(to.data_dir)
    found = services(directory)
    if not found:
        raise _ended(
            f"no service runs in the data directory {directory}:"
            " start one with `apphub-jobs up`, or give --url or APPHUB_URL",
            ERROR,
        )
    return found[0]


def _ended(message: str, code: int) -> typer.Exit:
    typer.echo(f"apphub-jobs: {message}", err=True)
    return typer.Exit(code)
