"""How a command calls a service: the connection, errors with remedies, and completed names."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated

import typer

from api.data_directory import resolve_data_dir
from apphub_jobs.client import AccessError, ApiError, Client, ClientError, NotFoundError
from cli.options import DataDir, ServiceUrl, Token
from cli.process.announcement import services
from cli.terminal import print_note
from runtime.files import UnusableDirectoryError

ERROR, USAGE, NO_ACCESS = 1, 2, 4

CONTEXT_CHARACTERS = 40
"""Characters that a message shows before the invalid one."""

RETRY_S = 3.0
"""How long a command retries if no service answers."""

REMEDIES = {
    "job_not_found": "to see all jobs: apphub-jobs jobs list",
    "run_not_found": "to see the newest runs: apphub-jobs runs list",
    "attempt_not_found": "to see its attempts: apphub-jobs runs show RUN",
    "app_not_found": "to see all apps: apphub-jobs apps list",
    "schedule_not_found": "to see all schedules: apphub-jobs schedules list",
    "schedule_exists": "to change it: apphub-jobs schedules apply FILE",
    "bulk_not_found": "to see all bulk operations: apphub-jobs bulk list",
    "worker_not_found": "to see all workers: apphub-jobs workers list",
    "worker_lost": "to see all workers: apphub-jobs workers list",
    "view_not_found": "to see all saved views: apphub-jobs views list",
    "too_many_views": "to delete one: apphub-jobs views delete NAME",
    "app_exists": "choose another --id, or see it: apphub-jobs apps show APP",
    "run_already_ended": "to run it again: apphub-jobs runs retry RUN",
    "run_not_ended": "to stop it first: apphub-jobs runs cancel RUN",
    "run_is_there": "to see it: apphub-jobs runs show RUN",
    "runs_are_unique": "to launch one: apphub-jobs schedules trigger SCHEDULE",
    "not_apphub_jobs": "check --url and APPHUB_URL",
}
"""What to do next, by the service's error codes."""


@dataclass(frozen=True)
class ServiceOptions:
    """Where the service is, and the token."""

    url: ServiceUrl = None
    token: Token = None
    data_dir: DataDir = None

    @property
    def address(self) -> str | None:
        """The address of the service, given or running in the data directory; None without one."""
        return self.url or next(iter(services(resolve_data_dir(self.data_dir))), None)


@contextmanager
def connected(to: ServiceOptions, retry_s: float = RETRY_S) -> Iterator[Client]:
    """Open a client of the service; its errors end the command with a message and a remedy.

    Raises:
        typer.Exit: 1 for an error of the service, 2 for an option, 4 for a missing right.
    """
    address = to.address
    if address is None:
        raise exit_with(
            f"no service runs in the data directory {resolve_data_dir(to.data_dir)}:"
            " start one with `apphub-jobs up`, or give --url or APPHUB_URL",
            ERROR,
        )
    try:
        with Client(address, to.token, retry_for=retry_s) as client:
            yield client
    except AccessError as error:
        raise exit_with(f"{error}; give --token or APPHUB_TOKEN", NO_ACCESS) from None
    except ApiError as error:
        remedy = REMEDIES.get(error.code)
        if error.code == "internal_error":
            remedy = f"it names the request {error.request_id}"
        raise exit_with(f"{error}; {remedy}" if remedy else str(error), ERROR) from None
    except UnicodeEncodeError as error:
        begin = max(0, error.start - CONTEXT_CHARACTERS)
        raise exit_with(f"{error.object[begin : error.end]!r} is not UTF-8", USAGE) from None
    except (ClientError, ValueError) as error:
        raise exit_with(f"{error}", ERROR) from None


@contextmanager
def suggest_job(client: Client, slug: str) -> Iterator[None]:
    """End the command if the job does not exist, with the slug that is most similar."""
    try:
        yield
    except NotFoundError as error:
        if error.code != "job_not_found":
            raise
        slugs = [job.slug for job in client.jobs()]
        similar = get_close_matches(slug, slugs, 1)
        suggestion = f"; did you mean {similar[0]}?" if similar else ""
        message = f"{error}: {slug}{suggestion}; {REMEDIES[error.code]}"
        raise exit_with(message, ERROR) from None


COMPLETION_S = 2.0
"""How long a shell waits for names."""


def complete_slug(context: typer.Context, incomplete: str) -> list[str]:
    """Return the slugs that begin with a text; none if the service does not answer."""
    return complete(context, incomplete, lambda client: [job.slug for job in client.jobs()])


def complete(
    context: typer.Context, incomplete: str, names_of: Callable[[Client], Sequence[str]]
) -> list[str]:
    """Return those of the service's names that begin with a text; none if it does not answer."""
    options = context.params
    to = ServiceOptions(options.get("url"), options.get("token"), options.get("data_dir"))
    try:
        address = to.address
        if address is None:
            return []
        with Client(address, to.token, timeout=COMPLETION_S, retry_for=0) as client:
            names = names_of(client)
    except (ClientError, UnusableDirectoryError, ValueError):
        return []
    return [name for name in names if name.startswith(incomplete)]


Slug = Annotated[str, typer.Argument(help="Which job.", autocompletion=complete_slug)]


def second_client(client: Client, to: ServiceOptions) -> Client:
    """Return another client of the same service, for another thread."""
    return Client(client.url, to.token)


def exit_with(message: str, code: int) -> typer.Exit:
    """Print an error, and return the exit to raise."""
    print_note(f"apphub-jobs: {message}")
    return typer.Exit(code)
