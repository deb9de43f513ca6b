"""`apphub-jobs failures`: list, show, resolve, ignore, reopen and retry groups of failures."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.text import Text

from apphub_jobs.client import FailureDocument, FailuresOverTimeDocument
from apphub_jobs.client.documents import FailureStatus
from cli.bulk import Changed, OperationOptions, follow, parse_patch, print_preview
from cli.options import command
from cli.service import ServiceOptions, complete_slug, connected
from cli.statistics import sparkline
from cli.terminal import AsJson, console, harmless, print_facts, print_json, print_list, print_note
from cli.times import DAY, AsOf, ago, position_or_moment
from domain.clock import from_iso
from runtime.text import in_one_line

failures_app = typer.Typer(
    help="List groups of failures, and resolve, ignore or retry them.", no_args_is_help=True
)

STYLES = {"open": "red", "resolved": "green", "ignored": "dim"}

HALF_HOUR = timedelta(minutes=30)

Fingerprint = Annotated[
    str, typer.Argument(metavar="FINGERPRINT", help="The group; `list` shows fingerprints.")
]


@command(failures_app, "list")
def list_failures(
    *,
    status: Annotated[FailureStatus | None, typer.Option(help="Only those; else all.")] = None,
    job: Annotated[
        str | None, typer.Option(help="Only this job's.", autocompletion=complete_slug)
    ] = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """List groups of failures, the most recent failure first."""
    moment = position_or_moment(as_of, datetime.now(UTC))
    with connected(to) as client:
        groups = list(client.failures.each(status, job, moment))
    now = datetime.now(UTC)
    columns = ("failure", "status", "job", "count", "last", "title")
    print_list(groups, columns, lambda group: _row(group, now), as_json=as_json, none="no failures")


@command(failures_app)
def show(*, fingerprint: Fingerprint, as_json: AsJson = False, to: ServiceOptions) -> None:
    """Show a group in full, with its failures of the last day."""
    begin = datetime.now(UTC) - DAY
    with connected(to) as client:
        group = client.failures.show(fingerprint)
        [times] = client.failures.over_time([fingerprint], begin, HALF_HOUR)
    if as_json:
        print_json({**group, "overTime": times})
    else:
        print_failure(group, times, begin)


@command(failures_app)
def resolve(
    *,
    fingerprint: Fingerprint,
    in_version: Annotated[
        int | None,
        typer.Option(min=1, help="The first version of the job with the fix; default: from now."),
    ] = None,
    to: ServiceOptions,
) -> None:
    """Mark a group as resolved: a later failure opens it again."""
    with connected(to) as client:
        group = client.failures.resolve(fingerprint, in_version)
    _print_status(group)


@command(failures_app)
def ignore(*, fingerprint: Fingerprint, to: ServiceOptions) -> None:
    """Ignore a group: it is not listed as open, even if it fails again."""
    with connected(to) as client:
        group = client.failures.ignore(fingerprint)
    _print_status(group)


@command(failures_app)
def reopen(*, fingerprint: Fingerprint, to: ServiceOptions) -> None:
    """Mark a resolved or ignored group as open."""
    with connected(to) as client:
        group = client.failures.reopen(fingerprint)
    _print_status(group)


@command(failures_app)
def retry(
    *,
    fingerprint: Fingerprint,
    changed: Changed = None,
    options: OperationOptions,
    to: ServiceOptions,
) -> None:
    """Retry all runs that ended with a failure of this group, as a bulk operation."""
    reason = options.checked_reason()
    patch = parse_patch(changed)
    with connected(to) as client:
        if options.dry_run:
            preview = client.failures.preview_retry(fingerprint, parameters=patch)
            print_preview(preview, as_json=options.as_json)
        else:
            operation = client.failures.retry(fingerprint, reason, parameters=patch)
            follow(client, operation, options)


def print_failure(group: FailureDocument, times: FailuresOverTimeDocument, begin: datetime) -> None:
    """Print a group in full, when it failed from a moment on, and the commands that may follow."""
    out = console()
    now = datetime.now(UTC)
    status = Text(group.status, STYLES[group.status])
    out.print(Text.assemble((group.job, "bold"), " ", status, " ", group.fingerprint))
    out.print(Text(harmless(group.title)))
    in_version = group["resolvedInVersion"]
    recovered = group["recovered"]
    out.print()
    print_facts(
        {
            "reason": group["reason"],
            "in": group["frame"],
            "failures": f"{group.count + recovered}, of which {recovered} recovered since",
            "first": f"{ago(group.first_at, now)} ago, {group['firstAt']}",
            "last": f"{ago(group.last_at, now)} ago, {group['lastAt']}",
            "last day": _last_day(times, begin),
            "versions": ", ".join(map(str, group.affected_versions)),
            "a run": group.sample_run,
            "changed by": group["changedBy"],
            "resolved": group["resolvedAt"],
            "in version": None if in_version is None else str(in_version),
        }
    )
    out.print()
    out.print(Text(_next_step(group), "dim"))


def _last_day(times: FailuresOverTimeDocument, begin: datetime) -> str:
    """Return a character for each half hour, and the number of failures."""
    failures = [0] * (DAY // HALF_HOUR)
    for bucket in times.buckets:
        number = round((from_iso(bucket["at"]) - begin) / HALF_HOUR)
        failures[min(number, len(failures) - 1)] += bucket["failures"]
    return f"{sparkline(failures)} {sum(failures)}"


def _next_step(group: FailureDocument) -> str:
    if group.status == "open":
        return (
            f"once it is fixed: apphub-jobs failures resolve {group.fingerprint}; to retry its"
            f" runs: apphub-jobs failures retry {group.fingerprint} --reason TEXT"
        )
    return f"to open it again: apphub-jobs failures reopen {group.fingerprint}"


def _print_status(group: FailureDocument) -> None:
    print_note(f"{group.fingerprint} is {group.status}: {group.title}")


def _row(group: FailureDocument, now: datetime) -> list[str | Text]:
    return [
        group.fingerprint,
        Text(group.status, STYLES[group.status]),
        group.job,
        str(group.count),
        f"{ago(group.last_at, now)} ago",
        in_one_line(group.title),
    ]
