"""`apphub-jobs jobs`: what can be launched, and how that changes."""

from typing import Annotated

import typer

from api.cli.daily.run_tables import print_runs
from api.cli.daily.service import ServiceOptions, connected
from api.cli.daily.sources import definitions_in
from api.cli.options import command, read
from api.cli.screen import AsJson, console, print_document, print_json, print_list
from api.process.developing.plans import Plan, lines_of, plan_of
from apphub_jobs.client import Client, JobDocument

jobs_app = typer.Typer(
    help="Look at jobs, register and revise them.", no_args_is_help=True
)

NEWEST_RUNS = 5

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
    columns = ("job", "version", "type", "handler", "name")
    print_list(found, columns, _row, as_json=as_json)


def _row(job: JobDocument) -> tuple[str, ...]:
    return job.slug, str(job.version), job.type, job.entry_point, job.name


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
    if as_json:
        print_json(job)
        return
    print_document(job)
    console().print()
    print_runs(newest)


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
                job = client.apply(plan.definition)
                typer.echo(f"{job.slug} is at version {job.version}", err=True)


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
