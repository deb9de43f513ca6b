"""`apphub-jobs failures`: what fails, how often, and what people say of it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from apphub_jobs.client import FailureDocument
from apphub_jobs.client.documents import FailureStatus
from cli.bulk import Changed, DryRun, Reason, Wait, follow, given_patch, given_reason, print_preview
from cli.options import command
from cli.run_lines import in_one_line
from cli.runs import ago
from cli.service import ServiceOptions, connected, slugs_completed
from cli.terminal import AsJson, console, harmless, print_json, print_table
from cli.times import AsOf, position_or_moment

failures_app = typer.Typer(
    help="Look at what fails, by groups, and say what is mended.", no_args_is_help=True
)

STYLES = {"open": "red", "resolved": "green", "ignored": "dim"}

Fingerprint = Annotated[
    str, typer.Argument(metavar="FINGERPRINT", help="Which group; `list` tells.")
]


@command(failures_app, "list")
def list_failures(
    *,
    status: Annotated[FailureStatus | None, typer.Option(help="Only those; else all.")] = None,
    job: Annotated[
        str | None, typer.Option(help="Only of this job.", autocompletion=slugs_completed)
    ] = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """List what fails, what failed last first."""
    moment = position_or_moment(as_of, datetime.now(UTC))
    with connected(to) as client:
        found = list(client.failures.each(status, job, moment))
    _print(found, as_json=as_json)


@command(failures_app)
def show(*, fingerprint: Fingerprint, as_json: AsJson = False, to: ServiceOptions) -> None:
    """Show all that there is to see of a group."""
    with connected(to) as client:
        group = client.failures.show(fingerprint)
    if as_json:
        print_json(group)
    else:
        print_failure(group)


@command(failures_app)
def resolve(
    *,
    fingerprint: Fingerprint,
    in_version: Annotated[
        int | None, typer.Option(min=1, help="Since which version of the job; else since now.")
    ] = None,
    to: ServiceOptions,
) -> None:
    """Say that it is mended: a failure after that opens the group again."""
    with connected(to) as client:
        group = client.failures.resolve(fingerprint, in_version)
    _tell(group)


@command(failures_app)
def ignore(*, fingerprint: Fingerprint, to: ServiceOptions) -> None:
    """Show it no more among what is open, however often it comes."""
    with connected(to) as client:
        group = client.failures.ignore(fingerprint)
    _tell(group)


@command(failures_app)
def reopen(*, fingerprint: Fingerprint, to: ServiceOptions) -> None:
    """Say that it is not mended after all, or not to be ignored any more."""
    with connected(to) as client:
        group = client.failures.reopen(fingerprint)
    _tell(group)


@command(failures_app)
def retry(  # noqa: PLR0913 - one for each option
    *,
    fingerprint: Fingerprint,
    reason: Reason = None,
    changed: Changed = None,
    dry_run: DryRun = False,
    wait: Wait = False,
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """Launch anew all runs whose last attempt failed so, as a bulk operation."""
    said = given_reason(reason, dry_run=dry_run)
    patch = given_patch(changed)
    with connected(to) as client:
        if dry_run:
            preview = client.failures.preview_retry(fingerprint, parameters=patch)
            print_preview(preview, as_json=as_json)
            return
        operation = client.failures.retry(fingerprint, said, parameters=patch)
        follow(client, operation, wait=wait, as_json=as_json)


def print_failure(group: FailureDocument) -> None:
    """Print all that there is to see of a group, and what can be done about it."""
    out = console()
    now = datetime.now(UTC)
    status = Text(group.status, STYLES[group.status])
    out.print(Text.assemble((group.job, "bold"), " ", status, " ", group.fingerprint))
    out.print(Text(harmless(group.title)))
    versions = ", ".join(str(version) for version in group.affected_versions)
    facts = {
        "reason": group["reason"],
        "in": group["frame"],
        "failures": f"{group.count}, of which {group['recovered']} recovered",
        "first": f"{ago(group.first_at, now)} ago, {group['firstAt']}",
        "last": f"{ago(group.last_at, now)} ago, {group['lastAt']}",
        "versions": versions,
        "a run": group.sample_run,
        "changed by": group["changedBy"],
        "resolved": group["resolvedAt"],
        "in version": group["resolvedInVersion"],
    }
    out.print()
    for name, value in facts.items():
        if value is not None:
            label = f"  {name:<10}  "
            out.print(Text.assemble((label, "dim"), harmless(str(value))))
    out.print()
    out.print(Text(_next_step(group), "dim"))


def _next_step(group: FailureDocument) -> str:
    if group.status == "open":
        return (
            f"once it is mended: apphub-jobs failures resolve {group.fingerprint}; to run anew"
            f" what failed: apphub-jobs failures retry {group.fingerprint} --reason TEXT"
        )
    return f"to open it again: apphub-jobs failures reopen {group.fingerprint}"


def _tell(group: FailureDocument) -> None:
    told = f"{group.fingerprint} is {group.status}: {group.title}"
    typer.echo(told, err=True)


def _print(found: Sequence[FailureDocument], *, as_json: bool) -> None:
    if as_json:
        for group in found:
            print_json(group)
        return
    if not found:
        console().print("no failures", style="dim")
        return
    now = datetime.now(UTC)
    columns = ("failure", "status", "job", "count", "last", "what")
    print_table(columns, [_row(group, now) for group in found])


def _row(group: FailureDocument, now: datetime) -> list[str | Text]:
    return [
        group.fingerprint,
        Text(group.status, STYLES[group.status]),
        group.job,
        str(group.count),
        f"{ago(group.last_at, now)} ago",
        in_one_line(group.title),
    ]
