"""`apphub-jobs jobs`: what can be launched, how that changes, and what if."""

from datetime import timedelta
from typing import Annotated

import typer

from api.cli.daily.run_tables import print_runs
from api.cli.daily.service import ServiceOptions, connected
from api.cli.daily.sources import definitions_in
from api.cli.options import KeyedLogOptions, command, failure, read
from api.cli.screen import AsJson, console, print_document, print_json, print_list
from api.process.developing.plans import Plan, lines_of, plan_of
from apphub_jobs.client import Client, InvalidRequestError, JobDocument
from apphub_jobs.typed.durations import milliseconds

jobs_app = typer.Typer(
    help="Look at jobs, register and revise, pause and delete them.",
    no_args_is_help=True,
)

NEWEST_RUNS = 5

MOST_AT_A_TIME = 1_000_000

FARTHEST_BACK = timedelta(days=3_650)

Sources = Annotated[
    list[str],
    typer.Argument(
        help="Files in YAML or JSON; Python files or modules with functions under @job."
    ),
]


@command(jobs_app, "list")
def list_jobs(*, as_json: AsJson = False, to: ServiceOptions) -> None:
    """List all jobs, by slug."""
    with connected(to) as client:
        found = client.jobs()
    columns = ("job", "version", "type", "state", "handler", "name")
    print_list(found, columns, _row, as_json=as_json)


def _row(job: JobDocument) -> tuple[str, ...]:
    state = "paused" if job.paused else ""
    return (
        job.slug,
        str(job.version),
        job.type,
        state,
        job.entry_point,
        job.name,
    )


@command(jobs_app)
def show(
    *,
    slug: Annotated[str, typer.Argument(help="Which job.")],
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """Show a job's definition and its newest runs."""
    with connected(to) as client:
        job = client.job(slug)
        runs = client.runs(job=job.slug)
        newest = [
            run.document for run, _ in zip(runs, range(NEWEST_RUNS), strict=False)
        ]
        if not _is_offered(client, job.entry_point):
            typer.echo(
                f"warning: no living worker offers {job.entry_point}:"
                " its runs wait until one does",
                err=True,
            )
    if as_json:
        print_json(job)
        return
    print_document(job)
    console().print()
    print_runs(newest)


def _is_offered(client: Client, entry_point: str) -> bool:
    for worker in client.workers():
        offered = worker.entry_points
        if worker.state == "alive" and (offered is None or entry_point in offered):
            return True
    return False


@command(jobs_app)
def diff(
    *,
    sources: Sources,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with 1 if anything would change.")
    ] = False,
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """Show what `apply` would change; change nothing."""
    with connected(to) as client:
        plans = _plans(client, sources)
    _show(plans, as_json=as_json)
    if exit_code and any(plan.what != "keep" for plan in plans):
        raise typer.Exit(1)


@command(jobs_app)
def apply(*, sources: Sources, as_json: AsJson = False, to: ServiceOptions) -> None:
    """Register jobs, and revise those that differ: a new version only where something changed.

    What will change is shown first. A field that a definition leaves out gets its default.
    """
    with connected(to) as client:
        plans = _plans(client, sources)
        _show(plans, as_json=as_json)
        for plan in plans:
            if plan.what != "keep":
                job = _applied(client, plan)
                told = f"{job.slug} is at version {job.version}"
                typer.echo(told, err=True)


def _applied(client: Client, plan: Plan) -> JobDocument:
    try:
        return client.apply(plan.definition)
    except InvalidRequestError as error:
        message = f"job {plan.slug!r}: {error}"
        raise failure(message) from None


Slugs = Annotated[list[str], typer.Argument(help="Which jobs.")]


@command(jobs_app)
def pause(
    *,
    slugs: Slugs,
    reason: Annotated[
        str | None, typer.Option(help="Shown with the job, and kept in its history.")
    ] = None,
    to: ServiceOptions,
) -> None:
    """Let nothing of jobs start; what runs goes on, and what is launched waits."""
    with connected(to) as client:
        for slug in slugs:
            job = client.pause(slug, reason)
            typer.echo(f"{job.slug} is paused", err=True)


@command(jobs_app)
def resume(*, slugs: Slugs, to: ServiceOptions) -> None:
    """Let what waits of paused jobs start again."""
    with connected(to) as client:
        for slug in slugs:
            job = client.resume(slug)
            typer.echo(f"{job.slug} goes on", err=True)


@command(jobs_app)
def delete(*, slugs: Slugs, to: ServiceOptions) -> None:
    """Delete jobs of which no run is pending or running; their history stays."""
    with connected(to) as client:
        for slug in slugs:
            job = client.delete(slug)
            typer.echo(f"{job.slug} is deleted", err=True)


@command(jobs_app, "what-if", reads_database=True)
def what_if(
    *,
    slug: Annotated[str, typer.Argument(help="Which job.")],
    max_concurrent_runs: Annotated[
        str,
        typer.Option(
            metavar="NUMBER",
            help="Suppose that so many might run at a time, or `none`.",
        ),
    ],
    since: Annotated[
        str, typer.Option(help="How far to look back, such as 12h or 7d.")
    ] = "7d",
    as_json: AsJson = False,
    place: KeyedLogOptions,
) -> None:
    """Tell how long runs would have waited with another limit, beside how long they did.

    Recorded arrivals and durations are played again. Nothing is changed; the database is read, so
    it is given as for `verify`.
    """
    # Here, for others need not wait for all that this imports.
    from api.cli.planning.what_if import show_what_if  # noqa: PLC0415

    limit = _limit(max_concurrent_runs)
    show_what_if(slug, limit, _back(since), place, as_json=as_json)


def _limit(text: str) -> int | None:
    if text == "none":
        return None
    is_number = text.isascii() and text.isdigit()
    if is_number:
        limit = int(text[:10])
        if 1 <= limit <= MOST_AT_A_TIME:
            return limit
    message = (
        f"--max-concurrent-runs: give a number from 1 to {MOST_AT_A_TIME}, or none"
    )
    raise typer.BadParameter(message)


def _back(text: str) -> timedelta:
    try:
        back = timedelta(milliseconds=milliseconds(text))
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(f"--since: {error}") from None
    if not timedelta() < back <= FARTHEST_BACK:
        raise typer.BadParameter("--since: give more than nothing, 3650d at most")
    return back


def _plans(client: Client, sources: list[str]) -> list[Plan]:
    definitions = read(lambda: definitions_in(sources))
    return [plan_of(client, definition) for definition in definitions]


def _show(plans: list[Plan], *, as_json: bool) -> None:
    out = console()
    for plan in plans:
        if as_json:
            print_json(plan.present())
            continue
        for line in lines_of(plan):
            out.print(line)
