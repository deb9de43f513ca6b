"""`apphub-jobs workers`: list workers, and drain them.

Commands call the API, as others do. `drain --here` goes to the database instead: a worker's host or
container has its address, but no token of the API.
"""

import asyncio
import os
import socket
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Annotated, Protocol

import typer
from rich.text import Text

from api.data_directory import resolve_data_dir
from apphub_jobs.client import WorkerDocument
from cli.database import database
from cli.options import DatabaseOptions, DatabaseUrl, command, failure
from cli.service import ServiceOptions, connected
from cli.terminal import AsJson, print_list
from cli.times import ago
from cli.wait import GAVE_UP, INTERRUPTED, seconds_of
from domain.errors import ConflictError, NotFoundError
from domain.workers import labels_text
from eventlog import workers as listing
from eventlog.database.connection import Database
from projections.rows import Connection

workers_app = typer.Typer(help="List workers, and drain them.", no_args_is_help=True)

STYLES = {"alive": "green", "draining": "yellow", "lost": "red"}


@command(workers_app, "list")
def list_workers(*, as_json: AsJson = False, to: ServiceOptions) -> None:
    """List the workers that are alive, and those that were lost within the last day."""
    with connected(to) as client:
        workers = list(client.workers())
    now = datetime.now(UTC)
    columns = ("worker", "state", "busy", "started", "seen", "version", "labels", "offers")
    print_list(
        workers, columns, lambda worker: _row(worker, now), as_json=as_json, none="no workers"
    )


PAGE = 100

POLL_S = 1.0


@dataclass(frozen=True)
class FleetOptions(ServiceOptions):
    """Where the service is, or the database."""

    database_url: DatabaseUrl = None


@command(workers_app)
def drain(
    *,
    worker_ids: Annotated[list[str] | None, typer.Argument(help="Ids of workers.")] = None,
    here: Annotated[
        bool,
        typer.Option(
            "--here",
            help="All workers of this host, through their database; needs neither an API nor a"
            " token.",
        ),
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until their runs have ended.")] = False,
    wait_for: Annotated[
        str | None,
        typer.Option(help="Give up waiting after this time, such as 30s or 5m; exit with 124."),
    ] = None,
    to: FleetOptions,
) -> None:
    """Let workers claim no more runs, and exit once their runs have ended."""
    if here == bool(worker_ids):
        raise typer.BadParameter("name the workers by their ids, or all of this host by --here")
    within_s = seconds_of(wait_for)
    with _fleet_of(to, here=here) as fleet:
        drained = _drain_host(fleet) if here else [fleet.drain(one) for one in worker_ids or ()]
        for worker in drained:
            remaining = _runs_are_left(_running(worker))
            typer.echo(f"{worker.id} is {worker.state}: {remaining}", err=True)
        if wait or wait_for is not None:
            try:
                _wait_for_ends(fleet, [worker.id for worker in drained], within_s)
            except KeyboardInterrupt:
                raise typer.Exit(INTERRUPTED) from None


class _Fleet(Protocol):
    """The workers, as the API or the database lists them."""

    def workers(self) -> Iterable[WorkerDocument]:
        """Return the workers that are alive, and those that were lost."""

    def drain(self, worker_id: str) -> WorkerDocument:
        """Drain a worker."""


@contextmanager
def _fleet_of(to: FleetOptions, *, here: bool) -> Iterator[_Fleet]:
    if not here:
        with connected(to) as client:
            yield client
        return
    if to.database_url is None and not os.path.lexists(resolve_data_dir(to.data_dir) / "postgres"):
        raise failure("--here needs the workers' database: name it with --database-url")
    # A worker may be older than the schema, in a rolling upgrade.
    options = DatabaseOptions(to.data_dir, to.database_url)
    with database(options, upgrade=False) as (_, url), asyncio.Runner() as runner:
        connection = runner.run(Database(url).connect())
        try:
            yield _DatabaseFleet(runner, connection)
        finally:
            runner.run(connection.close())


class _DatabaseFleet:
    """The workers as their database lists them."""

    def __init__(self, runner: asyncio.Runner, connection: Connection) -> None:
        self._runner = runner
        self._connection = connection

    def workers(self) -> Iterator[WorkerDocument]:
        """Yield the workers that are alive, and those that were lost."""
        after = ""
        while True:
            rows = self._runner.run(listing.page_of_workers(self._connection, after, PAGE))
            yield from (WorkerDocument(listing.present(row)) for row in rows)
            if len(rows) < PAGE:
                return
            after = rows[-1]["id"]

    def drain(self, worker_id: str) -> WorkerDocument:
        """Drain a worker."""
        row = self._runner.run(listing.drain(self._connection, worker_id))
        return WorkerDocument(listing.present(row))


def _drain_host(fleet: _Fleet) -> list[WorkerDocument]:
    """Drain the workers of this host, and return them."""
    host = socket.gethostname()
    drained: list[WorkerDocument] = []
    for worker in fleet.workers():
        if worker.host == host and worker.state != "lost":
            # It may have ended since it was read.
            with suppress(NotFoundError, ConflictError):
                drained.append(fleet.drain(worker.id))
    if not drained:
        typer.echo(f"no worker of the host {host} is alive", err=True)
    return drained


def _wait_for_ends(fleet: _Fleet, worker_ids: Collection[str], within_s: float | None) -> None:
    """Wait until these workers run nothing.

    Raises:
        typer.Exit: 124 if the time is over first; 1 if one of them was lost.
    """
    give_up_at = None if within_s is None else monotonic() + within_s
    reported: int | None = None
    while True:
        workers = [worker for worker in fleet.workers() if worker.id in worker_ids]
        lost = [worker.id for worker in workers if worker.state == "lost"]
        running = sum(_running(worker) for worker in workers if worker.state != "lost")
        if not running:
            break
        if running != reported:
            typer.echo(f"waiting: {_runs_are_left(running)}", err=True)
            reported = running
        if give_up_at is not None and monotonic() > give_up_at:
            typer.echo("gave up waiting; the workers exit once their runs have ended", err=True)
            raise typer.Exit(GAVE_UP)
        sleep(POLL_S)
    if lost:
        raise failure(f"lost meanwhile: {', '.join(lost)}; their runs start again elsewhere")


def _running(worker: WorkerDocument) -> int:
    return worker.busy + worker.shared_busy


def _runs_are_left(number: int) -> str:
    return "1 run is left" if number == 1 else f"{number} runs are left"


def _row(worker: WorkerDocument, now: datetime) -> list[str | Text]:
    offered = "everything" if worker.entry_points is None else " ".join(worker.entry_points)
    return [
        worker.id,
        Text(worker.state, STYLES.get(worker.state, "")),
        _busy(worker),
        f"{ago(worker.started_at, now)} ago",
        f"{ago(worker.last_beat_at, now)} ago",
        worker.version or "",
        labels_text(worker.labels),
        offered,
    ]


def _busy(worker: WorkerDocument) -> str:
    """Return the slots in use and all slots; shared slots follow if any is in use."""
    busy = f"{worker.busy}/{worker.slots}"
    if worker.shared_busy:
        busy += f" shared {worker.shared_busy}/{worker.shared_slots}"
    return busy
