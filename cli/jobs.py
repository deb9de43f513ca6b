"""`apphub-jobs jobs`: list, show, diff, apply, pause, resume and delete jobs, and `what-if`."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from apphub_jobs.client import Client, InvalidRequestError, JobDocument
from cli.definitions import jobs_in
from cli.event_sources import SourceOptions
from cli.options import command, exit_on_error
from cli.plans import Plan, lines_of, plan_of
from cli.run_output import print_runs
from cli.service import (
    ERROR,
    ServiceOptions,
    Slug,
    complete_slug,
    connected,
    exit_with,
    suggest_job,
)
from cli.start.options import Pythons
from cli.terminal import AsJson, console, print_document, print_json, print_list, print_note
from cli.times import AsOf, duration_of_option, position_or_moment
from projections.what_if import MAX_AT_A_TIME, MAX_LOOK_BACK

jobs_app = typer.Typer(help="List, register, revise, pause and delete jobs.", no_args_is_help=True)

NEWEST_RUNS = 5

Sources = Annotated[
    list[str],
    typer.Argument(
        help="Files in YAML or JSON; Python files or modules with functions under @job."
    ),
]


@command(jobs_app, "list")
def list_jobs(*, as_of: AsOf = None, as_json: AsJson = False, to: ServiceOptions) -> None:
    """List all jobs, by slug."""
    moment = position_or_moment(as_of, datetime.now(UTC))
    with connected(to) as client:
        jobs = client.jobs(moment)
    columns = ("job", "version", "type", "state", "handler", "name")
    print_list(jobs, columns, _job_row, as_json=as_json)


def _job_row(job: JobDocument) -> tuple[str, ...]:
    state = "paused" if job.paused else ""
    return (job.slug, str(job.version), job.type, state, job.entry_point, job.name)


@command(jobs_app)
def show(*, slug: Slug, as_json: AsJson = False, to: ServiceOptions) -> None:
    """Show a job's definition and its newest runs."""
    with connected(to) as client:
        with suggest_job(client, slug):
            job = client.job(slug)
        runs = client.runs(job=job.slug)
        newest = [run.document for run, _ in zip(runs, range(NEWEST_RUNS), strict=False)]
        if not _is_offered(client, job.entry_point):
            print_note(
                f"warning: no living worker offers {job.entry_point}: its runs wait until one does"
            )
    if as_json:
        print_json(job)
        return
    print_document(job)
    console().print()
    print_runs(newest, as_json=False)


def _is_offered(client: Client, entry_point: str) -> bool:
    return any(
        worker.state == "alive"
        and (worker.entry_points is None or entry_point in worker.entry_points)
        for worker in client.workers()
    )


@command(jobs_app)
def diff(
    *,
    sources: Sources,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 1 if anything would change.")
    ] = False,
    python: Pythons = None,
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """Show what `apply` would change; change nothing."""
    with connected(to) as client:
        plans = _plans(client, sources, python or ())
    _print_plans(plans, as_json=as_json)
    if exit_code and any(plan.action != "keep" for plan in plans):
        raise typer.Exit(1)


@command(jobs_app)
def apply(
    *, sources: Sources, python: Pythons = None, as_json: AsJson = False, to: ServiceOptions
) -> None:
    """Register jobs, and revise those that differ: a new version only if something changes.

    The changes are shown first. A field that a definition leaves out gets its default.
    """
    with connected(to) as client:
        plans = _plans(client, sources, python or ())
        _print_plans(plans, as_json=as_json)
        for plan in plans:
            if plan.action != "keep":
                job = _apply(client, plan)
                typer.echo(f"{job.slug} is at version {job.version}", err=True)


def _apply(client: Client, plan: Plan) -> JobDocument:
    try:
        return client.apply(plan.definition)
    except InvalidRequestError as error:
        raise exit_with(f"job {plan.slug!r}: {error}", ERROR) from None


Slugs = Annotated[list[str], typer.Argument(help="The jobs' slugs.", autocompletion=complete_slug)]


@command(jobs_app)
def pause(
    *,
    slugs: Slugs,
    reason: Annotated[
        str | None, typer.Option(help="Shown with the job, and kept in its history.")
    ] = None,
    to: ServiceOptions,
) -> None:
    """Pause jobs: none of their runs start; running attempts continue, and launches wait."""
    with connected(to) as client:
        for slug in slugs:
            with suggest_job(client, slug):
                job = client.pause(slug, reason)
            typer.echo(f"{job.slug} is paused", err=True)


@command(jobs_app)
def resume(*, slugs: Slugs, to: ServiceOptions) -> None:
    """Resume paused jobs: their runs start again."""
    with connected(to) as client:
        for slug in slugs:
            with suggest_job(client, slug):
                job = client.resume(slug)
            typer.echo(f"{job.slug} is resumed", err=True)


@command(jobs_app)
def delete(*, slugs: Slugs, to: ServiceOptions) -> None:
    """Delete jobs without pending or running runs; their history stays."""
    with connected(to) as client:
        for slug in slugs:
            with suggest_job(client, slug):
                job = client.delete(slug)
            typer.echo(f"{job.slug} is deleted", err=True)


@command(jobs_app, "what-if")
def what_if(  # noqa: PLR0913 - one for each option
    *,
    slug: Annotated[str, typer.Argument(help="The job's slug.")],
    max_concurrent_runs: Annotated[
        str, typer.Option(metavar="NUMBER", help="The limit to simulate, or `none`.")
    ],
    since: Annotated[str, typer.Option(help="How far to look back, such as 12h or 7d.")] = "7d",
    as_json: AsJson = False,
    source: SourceOptions,
    context: typer.Context,
) -> None:
    """Simulate how long runs would have waited with another limit, and compare.

    The simulation uses the recorded arrivals and durations, and changes nothing. The service
    answers; if none runs, or --database-url is given, the command reads the database itself.
    """
    # Imported here, so that other commands start faster.
    from cli.what_if import show_what_if  # noqa: PLC0415

    limit = _limit(max_concurrent_runs)
    show_what_if(slug, limit, _look_back(since), source, context, as_json=as_json)


def _limit(text: str) -> int | None:
    if text == "none":
        return None
    if text.isascii() and text.isdigit():
        limit = int(text[:10])
        if 1 <= limit <= MAX_AT_A_TIME:
            return limit
    message = f"--max-concurrent-runs: give a number from 1 to {MAX_AT_A_TIME}, or none"
    raise typer.BadParameter(message)


def _look_back(text: str) -> timedelta:
    look_back = duration_of_option(text, "--since")
    if not timedelta() < look_back <= MAX_LOOK_BACK:
        raise typer.BadParameter("--since: give a duration above 0s, at most 3650d")
    return look_back


def _plans(client: Client, sources: Sequence[str], pythons: Sequence[str]) -> list[Plan]:
    definitions = exit_on_error(lambda: jobs_in(sources, pythons))
    return [plan_of(client, definition) for definition in definitions]


def _print_plans(plans: list[Plan], *, as_json: bool) -> None:
    out = console()
    for plan in plans:
        if as_json:
            print_json(plan.present())
            continue
        for line in lines_of(plan):
            out.print(line)
