"""`apphub-jobs run` and `apphub-jobs runs`: launch, show, follow, explain, cancel, retry.

`run_output.py` prints them, in tables and in full.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Annotated, cast

import typer

from apphub_jobs.client import Client, InvalidRequestError, Run, RunDocument, stream_of
from apphub_jobs.client.documents import LogStream, RunOrder, RunStatus
from apphub_jobs.client.synchronous import Launcher
from apphub_jobs.contract import Json
from cli.options import command
from cli.parameters import check_conditions, parse_parameters
from cli.run_ids import RunId, RunIds, find_run
from cli.run_lines import TYPES, RunLines, text_of
from cli.run_output import print_explanation, print_run, print_runs
from cli.service import (
    ERROR,
    ServiceOptions,
    Slug,
    complete_slug,
    connected,
    exit_with,
    second_client,
    suggest_job,
)
from cli.statistics import print_statistics, usual_bucket
from cli.terminal import AsJson, console, print_document, print_json, print_note, print_output
from cli.times import (
    DAY,
    AsOf,
    duration_of_option,
    position_or_moment,
    time_of_option,
    with_moments,
)
from cli.views import complete_view, find_view
from cli.wait import Waiting, WaitingOptions
from domain.json_values import InvalidJsonError, JsonObject, decode
from domain.personal import ERASED


def watch_all(client: Client, job: str | None, *, as_json: bool) -> None:
    """Print a line for each start and end of a run until Ctrl-C."""
    out = console()
    lines = RunLines()
    types = ",".join(sorted(TYPES))
    for message in client.stream(types=types, job=job):
        if as_json:
            print_json(message)
            continue
        line = lines.line(message)
        if line is not None:
            out.print(text_of(line))


run_app = typer.Typer()
runs_app = typer.Typer(
    help="List, count, show, follow, explain, cancel and retry runs.", no_args_is_help=True
)


@dataclass(frozen=True)
class LaunchingOptions:
    """What a launch says beside its parameters; the rest is as the job says."""

    delay: Annotated[
        str | None, typer.Option(help="How long after the launch it is due, such as 30s or 5m.")
    ] = None
    priority: Annotated[
        int | None, typer.Option(min=-100, max=100, help="Runs of higher priority start first.")
    ] = None
    timeout: Annotated[
        str | None, typer.Option(help="How long an attempt may run, such as 30s or 5m.")
    ] = None
    max_attempts: Annotated[
        int | None, typer.Option(min=1, max=10, help="How many attempts it has at most.")
    ] = None
    start_deadline: Annotated[
        str | None,
        typer.Option(help="It expires if it does not start within this time after it is due."),
    ] = None
    context: Annotated[
        str | None, typer.Option(help="What is stored with the run: a JSON object.")
    ] = None

    def launcher(self, client: Client) -> Launcher:
        """Return what launches with these options.

        Raises:
            typer.BadParameter: one of them is wrong; the message names it.
        """
        return client.options(
            delay=_duration(self.delay, "--delay"),
            priority=self.priority,
            timeout=_duration(self.timeout, "--timeout"),
            max_attempts=self.max_attempts,
            start_deadline=_duration(self.start_deadline, "--start-deadline"),
            context=None if self.context is None else _object(self.context, "--context"),
        )


def _duration(text: str | None, option: str) -> timedelta | None:
    return None if text is None else duration_of_option(text, option)


def _object(text: str, option: str) -> dict[str, Json]:
    try:
        value = decode(text)
    except InvalidJsonError as error:
        raise typer.BadParameter(f"{option}: {error.message}") from None
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{option} is not JSON: {error}") from None
    if not isinstance(value, dict):
        msg = f"{option} must be a JSON object, such as '{{\"ticket\": 4711}}'"
        raise typer.BadParameter(msg)
    return value


@command(run_app)
def run(  # noqa: PLR0913 - one for each option
    *,
    slug: Slug,
    parameters: Annotated[
        list[str] | None, typer.Argument(help="Its parameters: name=Ada times=3 tags='[\"a\"]'.")
    ] = None,
    params: Annotated[
        str | None, typer.Option(help="A file of parameters, JSON or YAML; - for standard input.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the run's end.")] = True,
    launching: LaunchingOptions,
    waiting: WaitingOptions,
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """Launch a run, and wait for its result.

    The result is printed on standard output, everything else on standard error. Exit codes: 0 it
    succeeded, 3 it failed, 5 it was canceled, 6 it expired, 124 --wait-for is over.
    """
    within_s = waiting.seconds
    if not wait and (waiting.follow or within_s is not None):
        raise typer.BadParameter("--no-wait does not wait: leave out --wait-for and --follow")
    with connected(to) as client:
        with suggest_job(client, slug):
            schema = client.job(slug).parameters_schema
        launcher = launching.launcher(client)
        launched = _launch(launcher, slug, parse_parameters(parameters or (), params, schema))
        for warning in launched.warnings:
            print_note(f"warning: {warning}")
        if not wait:
            _print_launched(launched, as_json=as_json)
            return
        typer.echo(f"launched {launched.id}", err=True)
        waited = Waiting(launched, partial(second_client, client, to), with_output=waiting.follow)
        code = waited.until_end(within_s)
        _print_ended(launched, as_json=as_json)
    raise typer.Exit(code)


def _launch(launcher: Launcher, slug: str, parameters: Mapping[str, Json]) -> Run[Json]:
    try:
        return launcher.launch(slug, parameters)
    except InvalidRequestError as error:
        remedy = f"to see what {slug} takes: apphub-jobs jobs show {slug}"
        raise exit_with(f"{error}; {remedy}", ERROR) from None


def _print_launched(run: Run[Json], *, as_json: bool) -> None:
    if as_json:
        print_json(run.document)
    else:
        typer.echo(run.id)


def _print_ended(run: Run[Json], *, as_json: bool) -> None:
    if as_json:
        print_json(run.document)
    elif run.status == "succeeded" and run.document.result is not None:
        print_document(run.document.result)


@command(runs_app, "list")
def list_runs(  # noqa: PLR0913 - one for each option
    *,
    where: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILTER]...",
            help="Conditions that must all hold, such as status!=succeeded,"
            " parameters.region=eu or createdAfter=yesterday.",
        ),
    ] = None,
    status: Annotated[
        str | None, typer.Option(help="Only these; several with commas: failed,expired.")
    ] = None,
    job: Annotated[
        str | None, typer.Option(help="Only this job's.", autocompletion=complete_slug)
    ] = None,
    search: Annotated[
        str | None, typer.Option(help="Part of a slug or a job's name, or the start of an id.")
    ] = None,
    worker: Annotated[
        str | None,
        typer.Option(help="Only runs that this worker started; `workers list` shows ids."),
    ] = None,
    view: Annotated[
        str | None,
        typer.Option(help="Also the conditions of this saved view.", autocompletion=complete_view),
    ] = None,
    sort: Annotated[
        RunOrder | None,
        typer.Option(
            help="The order: created, started or ended (latest first), or duration (longest first);"
            " default: the view's, or created."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 25,
    as_of: AsOf = None,
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """List runs, newest first."""
    now = datetime.now(UTC)
    conditions = check_conditions(with_moments(where or (), now))
    moment = position_or_moment(as_of, now)
    statuses = status.split(",") if status else None
    with connected(to) as client:
        if view is not None:
            saved = find_view(client, view)
            conditions = check_conditions([*saved.filter, *conditions])
            sort = sort or saved.sort
        runs = client.runs(
            job=job,
            status=cast("list[RunStatus] | None", statuses),
            search=search,
            worker=worker,
            where=conditions,
            as_of=moment,
            sort=sort or "created",
        )
        documents = [run.document for run in islice(runs, limit)]
    print_runs(documents, as_json=as_json)


@command(runs_app)
def statistics(  # noqa: PLR0913 - one for each option
    *,
    begin: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="Such as 2h (ago) or yesterday; default: a day before."
        ),
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Default: now.")] = None,
    bucket: Annotated[
        str | None, typer.Option(help="How long each bucket is, such as 15m or 1h.")
    ] = None,
    job: Annotated[
        str | None,
        typer.Option(help="Only this job's; several with commas.", autocompletion=complete_slug),
    ] = None,
    by_job: Annotated[bool, typer.Option("--by-job", help="A row for each job.")] = False,
    as_of: AsOf = None,
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """Count the runs that were launched, ended and failed, and how long they waited and took."""
    now = datetime.now(UTC)
    last = now if end is None else time_of_option(end, "--to", now)
    first = last - DAY if begin is None else time_of_option(begin, "--from", now)
    length = usual_bucket(first, last, now)
    if bucket is not None:
        length = duration_of_option(bucket, "--bucket")
    moment = position_or_moment(as_of, now)
    with connected(to) as client:
        counted_runs = client.statistics(
            begin=first, end=last, bucket=length, job=job, by_job=by_job, as_of=moment
        )
    if as_json:
        for bucket_document in counted_runs.buckets:
            print_json(bucket_document)
    else:
        print_statistics(counted_runs, by_job=by_job)


@command(runs_app)
def show(*, run_id: RunId, as_json: AsJson = False, to: ServiceOptions) -> None:
    """Show a run with its attempts, its failure group, and its retries."""
    with connected(to) as client:
        run = find_run(client, run_id)
        attempts = run.attempts()
        related = run.related()
    if as_json:
        print_json({**run.document, "attempts": attempts, "related": related})
    else:
        print_run(run.document, attempts, related)


@command(runs_app)
def explain(
    *, run_id: RunId, as_of: AsOf = None, as_json: AsJson = False, to: ServiceOptions
) -> None:
    """Explain why a run waits, or how it ended."""
    moment = position_or_moment(as_of, datetime.now(UTC))
    with connected(to) as client:
        run = find_run(client, run_id, moment)
        explanation = run.explain(moment)
    if as_json:
        print_json({"run": run.id, **explanation})
    else:
        print_explanation(run.document, explanation)


@command(runs_app)
def watch(
    *,
    run_id: Annotated[
        str | None,
        typer.Argument(
            help="Wait for this one: its id, the start of it, or `last`; all runs if left out."
        ),
    ] = None,
    job: Annotated[
        str | None, typer.Option(help="Only this job's.", autocompletion=complete_slug)
    ] = None,
    waiting: WaitingOptions,
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """Wait for a run; or print a line for each start and end of all runs, until Ctrl-C."""
    within_s = waiting.seconds
    if run_id is None and (waiting.follow or within_s is not None):
        raise typer.BadParameter("--wait-for and --follow need a run: name it")
    if run_id is not None and job is not None:
        raise typer.BadParameter("--job is for all runs: leave it out, or name no run")
    with connected(to) as client:
        if run_id is None:
            watch_all(client, job, as_json=as_json)
            return
        run = find_run(client, run_id)
        waited = Waiting(run, partial(second_client, client, to), with_output=waiting.follow)
        code = waited.until_end(within_s)
        _print_ended(run, as_json=as_json)
    raise typer.Exit(code)


@command(runs_app)
def logs(
    *,
    run_id: RunId,
    attempt: Annotated[
        int | None, typer.Option(min=1, help="Which attempt; the last if left out.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Follow the log until the attempt has ended.")
    ] = False,
    stream: Annotated[
        LogStream | None, typer.Option(help="Only what was printed on this one.")
    ] = None,
    to: ServiceOptions,
) -> None:
    """Print what an attempt of a run printed, on both of its streams.

    All of it goes to standard output, so that pipes get all lines, each with its time. On a
    terminal `!` marks lines of standard error; in a pipe their times end with `z` instead of `Z`.
    """
    with connected(to) as client:
        run = find_run(client, run_id)
        for line in run.logs(attempt=attempt, follow=follow, stream=stream):
            print_output(line, sys.stdout, is_error=stream_of(line) == "stderr")


@command(runs_app)
def cancel(
    *,
    run_ids: RunIds,
    reason: Annotated[str | None, typer.Option(help="Kept in the run's history.")] = None,
    to: ServiceOptions,
) -> None:
    """Cancel runs: pending ones at once, running ones as soon as their attempts have stopped."""
    with connected(to) as client:
        for run_id in run_ids:
            run = find_run(client, run_id)
            document = run.cancel(reason)
            state = document.status if document.is_final else "is being canceled"
            typer.echo(f"{document.slug} {document.id} {state}", err=True)


@command(runs_app)
def retry(
    *,
    run_ids: RunIds,
    changed: Annotated[
        list[str] | None,
        typer.Option("--set", help="A parameter that new runs get, as NAME=VALUE."),
    ] = None,
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """Launch ended runs again, with the same parameters or with some that are changed."""
    with connected(to) as client:
        for run_id in run_ids:
            run = find_run(client, run_id)
            parameters = _changed(client, run.document, changed) if changed else None
            _print_launched(run.retry(parameters=parameters), as_json=as_json)


def _changed(client: Client, run: RunDocument, changed: Sequence[str]) -> JsonObject:
    """Return the parameters of a run with changes, without values that were erased."""
    schema = client.job(run.slug).parameters_schema
    kept = {name: value for name, value in run.parameters.items() if value != ERASED}
    return {**kept, **parse_parameters(changed, None, schema)}
