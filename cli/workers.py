"""`apphub-jobs workers`: list workers, and drain them."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from apphub_jobs.client import WorkerDocument
from cli.options import command
from cli.runs import ago
from cli.service import ServiceOptions, connected
from cli.terminal import AsJson, console, print_json, print_table
from domain.workers import told

workers_app = typer.Typer(help="List workers, and drain them.", no_args_is_help=True)

STYLES = {"alive": "green", "draining": "yellow", "lost": "red"}


@command(workers_app, "list")
def list_workers(*, as_json: AsJson = False, to: ServiceOptions) -> None:
    """List the workers that are alive, and those that were lost within the last day."""
    with connected(to) as client:
        workers = list(client.workers())
    if as_json:
        for worker in workers:
            print_json(worker)
        return
    if not workers:
        console().print("no workers", style="dim")
        return
    now = datetime.now(UTC)
    columns = ("worker", "state", "busy", "started", "seen", "version", "labels", "offers")
    print_table(columns, [_row(worker, now) for worker in workers])


@command(workers_app)
def drain(
    *, worker_ids: Annotated[list[str], typer.Argument(help="Ids of workers.")], to: ServiceOptions
) -> None:
    """Let workers claim no more runs, and exit once their runs have ended."""
    with connected(to) as client:
        for worker_id in worker_ids:
            worker = client.drain(worker_id)
            runs = worker.busy + worker.shared_busy
            typer.echo(f"{worker.id} is {worker.state}: {runs} runs are left", err=True)


def _row(worker: WorkerDocument, now: datetime) -> list[str | Text]:
    offered = "everything" if worker.entry_points is None else " ".join(worker.entry_points)
    return [
        worker.id,
        Text(worker.state, STYLES.get(worker.state, "")),
        _busy(worker),
        f"{ago(worker.started_at, now)} ago",
        f"{ago(worker.last_beat_at, now)} ago",
        worker.version or "",
        told(worker.labels),
        offered,
    ]


def _busy(worker: WorkerDocument) -> str:
    """Return the slots in use and all slots; shared slots follow if any is in use."""
    busy = f"{worker.busy}/{worker.slots}"
    if worker.shared_busy:
        busy += f" shared {worker.shared_busy}/{worker.shared_slots}"
    return busy
