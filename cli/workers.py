"""`apphub-jobs workers`: who executes runs, and how to let one come to its end."""

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

workers_app = typer.Typer(help="Look at workers, and drain them.", no_args_is_help=True)

STYLES = {"alive": "green", "draining": "yellow", "lost": "red"}


@command(workers_app, "list")
def list_workers(*, as_json: AsJson = False, to: ServiceOptions) -> None:
    """List the workers that live, and those that were lost within the last day."""
    with connected(to) as client:
        found = list(client.workers())
    if as_json:
        for worker in found:
            print_json(worker)
        return
    if not found:
        console().print("no workers", style="dim")
        return
    now = datetime.now(UTC)
    columns = ("worker", "state", "busy", "started", "seen", "version", "labels", "offers")
    print_table(columns, [_row(worker, now) for worker in found])


@command(workers_app)
def drain(
    *, worker_ids: Annotated[list[str], typer.Argument(help="Ids of workers.")], to: ServiceOptions
) -> None:
    """Let workers claim nothing more, and end once what they run has ended."""
    with connected(to) as client:
        for worker_id in worker_ids:
            worker = client.drain(worker_id)
            left = f"{worker.busy + worker.shared_busy} runs are left"
            told = f"{worker.id} is {worker.state}: {left}"
            typer.echo(told, err=True)


def _row(worker: WorkerDocument, now: datetime) -> list[str | Text]:
    offers = worker.entry_points
    offered = "everything"
    if offers is not None:
        offered = " ".join(offers)
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
    """Return how many slots are taken of how many; those that share follow where any is."""
    busy = f"{worker.busy}/{worker.slots}"
    if worker.shared_busy:
        busy += f" shared {worker.shared_busy}/{worker.shared_slots}"
    return busy
