"""`apphub-jobs bulk`: cancel, retry or rerun all runs that match a filter."""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated

import typer
from rich.text import Text

from apphub_jobs.client import BulkDocument, BulkPreviewDocument, Client, RefusalDocument
from cli.options import command
from cli.parameters import parse_parameters
from cli.run_output import print_runs
from cli.service import ServiceOptions, connected
from cli.terminal import AsJson, console, print_facts, print_json, print_list, print_table
from cli.times import AsOf, ago, position_or_moment, with_moments
from domain.bulk import Action, conditions_for
from domain.clock import from_iso
from domain.errors import InvalidInputError
from domain.json_values import JsonObject

bulk_app = typer.Typer(help="Cancel, retry or rerun many runs at a time.", no_args_is_help=True)

STYLES = {"running": "cyan", "completed": "green", "aborted": "yellow"}

ABORTED = 5
"""The exit code if the operation was aborted while the command waited."""

Where = Annotated[
    list[str],
    typer.Argument(
        metavar="FILTER...",
        help="Conditions that must all hold, such as job=report or status!=expired; or `all`.",
    ),
]
Changed = Annotated[
    list[str] | None, typer.Option("--set", help="Set a parameter of the new runs, as NAME=VALUE.")
]
OperationId = Annotated[str, typer.Argument(help="The operation's id.")]


@dataclass(frozen=True)
class OperationOptions:
    """The reason of a bulk operation, and whether to start it and to wait for it."""

    reason: Annotated[
        str | None, typer.Option(help="Why; kept in the history of each run.", show_default=False)
    ] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = (
        False
    )
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the operation has ended.")] = (
        False
    )
    as_json: AsJson = False

    def checked_reason(self) -> str:
        """Return the reason, or raise typer.BadParameter; a dry run needs none."""
        if self.reason is None and not self.dry_run:
            raise typer.BadParameter("give a reason: --reason TEXT; or try it first: --dry-run")
        return self.reason or ""


@command(bulk_app)
def cancel(*, where: Where, options: OperationOptions, to: ServiceOptions) -> None:
    """Cancel all matching runs that are pending or running."""
    _start("cancel", where, None, options, to)


@command(bulk_app)
def retry(
    *, where: Where, changed: Changed = None, options: OperationOptions, to: ServiceOptions
) -> None:
    """Launch again all matching runs that failed, expired or were canceled."""
    _start("retry", where, changed, options, to)


@command(bulk_app)
def rerun(
    *, where: Where, changed: Changed = None, options: OperationOptions, to: ServiceOptions
) -> None:
    """Launch again all matching runs that have ended."""
    _start("rerun", where, changed, options, to)


def _start(
    action: Action,
    where: list[str],
    changed: list[str] | None,
    options: OperationOptions,
    to: ServiceOptions,
) -> None:
    """Start an operation, or show what it would do.

    Raises:
        typer.BadParameter: the filter is invalid, or the reason is missing.
    """
    where = with_moments(where, datetime.now(UTC))
    try:
        conditions_for(action, where)
    except InvalidInputError as error:
        raise typer.BadParameter(error.message) from None
    reason = options.checked_reason()
    parameters = parse_patch(changed)
    with connected(to) as client:
        if options.dry_run:
            preview = client.bulk.dry_run(action, where, parameters=parameters)
            print_preview(preview, as_json=options.as_json)
        else:
            operation = client.bulk.start(action, where, reason, parameters=parameters)
            follow(client, operation, options)


def parse_patch(changed: list[str] | None) -> JsonObject | None:
    """Return the parameters that replace those of the old runs."""
    return parse_parameters(changed, None, {}) if changed else None


def follow(client: Client, operation: BulkDocument, options: OperationOptions) -> None:
    """Print an operation that has started, or with `--wait` that has ended.

    Raises:
        typer.Exit: 5 if the operation was aborted meanwhile.
    """
    if options.wait:
        operation = client.bulk.wait(operation.id)
    _print(operation, as_json=options.as_json)
    if options.wait and operation.status == "aborted":
        raise typer.Exit(ABORTED)


@command(bulk_app, "list")
def list_operations(
    *,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 25,
    as_of: AsOf = None,
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """List bulk operations, newest first."""
    moment = position_or_moment(as_of, datetime.now(UTC))
    with connected(to) as client:
        operations = list(islice(client.bulk.each(moment), limit))
    now = datetime.now(UTC)
    columns = ("bulk", "action", "status", "done", "refused", "started", "filter")
    print_list(
        operations,
        columns,
        lambda operation: _row(operation, now),
        as_json=as_json,
        none="no bulk operations",
    )


@command(bulk_app)
def show(*, operation_id: OperationId, as_json: AsJson = False, to: ServiceOptions) -> None:
    """Show a bulk operation and its progress."""
    with connected(to) as client:
        _print(client.bulk.show(operation_id), as_json=as_json)


@command(bulk_app)
def runs(
    *,
    operation_id: OperationId,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 25,
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """List the runs that a bulk operation launched, newest first, with their outcomes."""
    with connected(to) as client:
        documents = list(islice(client.bulk.runs(operation_id), limit))
        counts = client.bulk.counts(operation_id)
    print_runs(documents, as_json=as_json)
    outcome = [f"{count} {status}" for status, count in counts.items() if count]
    if outcome and not as_json:
        typer.echo(", ".join(outcome), err=True)


@command(bulk_app)
def abort(
    *,
    operation_id: OperationId,
    reason: Annotated[str | None, typer.Option(help="Kept in the operation's history.")] = None,
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """Stop a bulk operation; what is done stays done."""
    with connected(to) as client:
        _print(client.bulk.abort(operation_id, reason), as_json=as_json)


def _row(operation: BulkDocument, now: datetime) -> list[str | Text]:
    status = operation.status
    started = from_iso(operation["createdAt"])
    return [
        operation.id,
        operation.action,
        Text(status, STYLES.get(status, "")),
        f"{operation.done}/{operation.total}",
        str(operation.refused),
        f"{ago(started, now)} ago",
        " ".join(operation.filter),
    ]


def _print(operation: BulkDocument, *, as_json: bool) -> None:
    if as_json:
        print_json(operation)
        return
    out = console()
    status = (operation.status, STYLES.get(operation.status, ""))
    out.print(Text.assemble((operation.action, "bold"), " ", status))
    print_facts(
        {
            "id": operation.id,
            "filter": " ".join(operation.filter),
            "reason": operation.reason,
            "done": f"{operation.done} of {operation.total}",
            "refused": str(operation.refused),
            "requested by": operation.requested_by,
            "position": str(operation.position),
        }
    )
    _print_refusals(operation.refusals)


def print_preview(preview: BulkPreviewDocument, *, as_json: bool) -> None:
    """Print what an operation would do."""
    if as_json:
        print_json(preview)
        return
    out = console()
    out.print(f"{preview.count} runs at position {preview.position}")
    for run in preview.sample:
        out.print(f"  {run.id}  {run.slug}  {run.status}")
    _print_refusals(preview.refused)


def _print_refusals(refusals: list[RefusalDocument]) -> None:
    if refusals:
        rows = [[refusal.run, refusal.code, refusal.why] for refusal in refusals]
        print_table(("refused", "code", "why"), rows)
