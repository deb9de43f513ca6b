"""`apphub-jobs bulk`: cancel, retry or rerun all runs that match a filter."""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated

import typer
from rich.text import Text

from apphub_jobs.client import BulkDocument, BulkPreviewDocument, Client, RefusalDocument
from cli.options import command
from cli.runs import ago
from cli.service import ServiceOptions, connected, given_parameters
from cli.terminal import AsJson, console, harmless, print_json, print_table
from cli.times import AsOf, position_or_moment, with_moments
from domain.bulk import Action, chosen_by
from domain.errors import InvalidInputError
from domain.json_values import JsonObject

bulk_app = typer.Typer(help="Cancel, retry or rerun many runs at a time.", no_args_is_help=True)

STYLES = {"running": "cyan", "completed": "green", "aborted": "yellow"}

ABORTED = 5
"""The exit code of who waited for what somebody stopped."""

Where = Annotated[
    list[str],
    typer.Argument(
        metavar="FILTER...",
        help="Conditions that all must hold, such as job=report or status!=expired; or `all`.",
    ),
]
Reason = Annotated[
    str | None, typer.Option(help="Why; it stays in the history of each run.", show_default=False)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what it would come to.")]
Wait = Annotated[bool, typer.Option("--wait", help="Come back when it is over.")]
Changed = Annotated[
    list[str] | None, typer.Option("--set", help="A parameter that new runs get, as NAME=VALUE.")
]
OperationId = Annotated[str, typer.Argument(help="The operation's id.")]


@command(bulk_app)
def cancel(  # noqa: PLR0913 - one for each option
    *,
    where: Where,
    reason: Reason = None,
    dry_run: DryRun = False,
    wait: Wait = False,
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """Cancel all runs that match and are pending or running."""
    order = _ordered("cancel", where, reason, None, dry_run=dry_run)
    _order(order, to, dry_run=dry_run, wait=wait, as_json=as_json)


@command(bulk_app)
def retry(  # noqa: PLR0913 - one for each option
    *,
    where: Where,
    reason: Reason = None,
    changed: Changed = None,
    dry_run: DryRun = False,
    wait: Wait = False,
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """Launch anew all runs that match and failed, expired or were canceled."""
    order = _ordered("retry", where, reason, changed, dry_run=dry_run)
    _order(order, to, dry_run=dry_run, wait=wait, as_json=as_json)


@command(bulk_app)
def rerun(  # noqa: PLR0913 - one for each option
    *,
    where: Where,
    reason: Reason = None,
    changed: Changed = None,
    dry_run: DryRun = False,
    wait: Wait = False,
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """Launch anew all runs that match and have ended."""
    order = _ordered("rerun", where, reason, changed, dry_run=dry_run)
    _order(order, to, dry_run=dry_run, wait=wait, as_json=as_json)


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
        found = list(islice(client.bulk.each(moment), limit))
    if as_json:
        for operation in found:
            print_json(operation)
        return
    if not found:
        console().print("no bulk operations", style="dim")
        return
    now = datetime.now(UTC)
    columns = ("bulk", "action", "status", "done", "refused", "started", "filter")
    print_table(columns, [_row(operation, now) for operation in found])


@command(bulk_app)
def show(*, operation_id: OperationId, as_json: AsJson = False, to: ServiceOptions) -> None:
    """Show a bulk operation and how far it has got."""
    with connected(to) as client:
        _print(client.bulk.show(operation_id), as_json=as_json)


@command(bulk_app)
def abort(
    *,
    operation_id: OperationId,
    reason: Annotated[str | None, typer.Option(help="Kept in the operation's history.")] = None,
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """Go through no more runs; what is done stays done."""
    with connected(to) as client:
        _print(client.bulk.abort(operation_id, reason), as_json=as_json)


@dataclass(frozen=True)
class _Ordered:
    """What is to be done to which runs."""

    action: Action
    where: list[str]
    reason: str
    parameters: JsonObject | None


def _ordered(
    action: Action,
    where: list[str],
    reason: str | None,
    changed: list[str] | None,
    *,
    dry_run: bool,
) -> _Ordered:
    """Return what to order, after a look at whether the filter is any."""
    where = with_moments(where, datetime.now(UTC))
    try:
        chosen_by(action, where)
    except InvalidInputError as error:
        raise typer.BadParameter(error.message) from None
    said = given_reason(reason, dry_run=dry_run)
    return _Ordered(action, where, said, given_patch(changed))


def given_reason(reason: str | None, *, dry_run: bool) -> str:
    """Return why something is to be done, or say that nobody says so."""
    if reason is None and not dry_run:
        raise typer.BadParameter("say why: --reason TEXT; or look first: --dry-run")
    return reason or ""


def given_patch(changed: list[str] | None) -> JsonObject | None:
    """Return the parameters that new runs get instead."""
    if not changed:
        return None
    return given_parameters(changed, None, {})


def _order(
    order: _Ordered, to: ServiceOptions, *, dry_run: bool, wait: bool, as_json: bool
) -> None:
    with connected(to) as client:
        if dry_run:
            preview = client.bulk.dry_run(order.action, order.where, parameters=order.parameters)
            print_preview(preview, as_json=as_json)
            return
        operation = client.bulk.start(
            order.action, order.where, order.reason, parameters=order.parameters
        )
        follow(client, operation, wait=wait, as_json=as_json)


def follow(client: Client, operation: BulkDocument, *, wait: bool, as_json: bool) -> None:
    """Print an operation that has begun; where somebody waits for it, once it is over."""
    if wait:
        operation = client.bulk.wait(operation.id)
    _print(operation, as_json=as_json)
    if wait and operation.status == "aborted":
        raise typer.Exit(ABORTED)


def _row(operation: BulkDocument, now: datetime) -> list[str | Text]:
    status = operation.status
    started = datetime.fromisoformat(operation["createdAt"])
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
    status = operation.status
    style = STYLES.get(status, "")
    head = (operation.action, "bold"), " ", (status, style)
    out.print(Text.assemble(*head))
    facts = {
        "id": operation.id,
        "filter": " ".join(operation.filter),
        "reason": operation.reason,
        "done": f"{operation.done} of {operation.total}",
        "refused": str(operation.refused),
        "asked by": operation.requested_by,
        "position": str(operation.position),
    }
    for name, value in facts.items():
        label = f"  {name:<8}  "
        out.print(Text.assemble((label, "dim"), harmless(value)))
    _print_refusals(operation.refusals)


def print_preview(preview: BulkPreviewDocument, *, as_json: bool) -> None:
    """Print what an order would come to."""
    if as_json:
        print_json(preview)
        return
    out = console()
    told = f"{preview.count} runs at position {preview.position}"
    out.print(told)
    for run in preview.sample:
        out.print(f"  {run.id}  {run.slug}  {run.status}")
    _print_refusals(preview.refused)


def _print_refusals(refusals: list[RefusalDocument]) -> None:
    if refusals:
        rows = [[one.run, one.code, one.why] for one in refusals]
        print_table(("refused", "code", "why"), rows)
