"""`apphub-jobs schedules`: create, apply, pause, trigger and backfill schedules; list their ticks.

First how schedules are printed, then the commands.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from apphub_jobs.client import ComingTickDocument, ScheduleDocument, TickDocument
from cli.definition_files import is_schedule, objects_in
from cli.options import command, exit_on_error
from cli.parameters import parse_parameters
from cli.service import ServiceOptions, complete_slug, connected, suggest_job
from cli.statistics import failed_of
from cli.terminal import AsJson, print_document, print_json, print_list
from cli.times import AsOf, ago, duration_of_option, position_or_moment, time_of_option
from runtime.text import duration

STYLES = {"launched": "green", "skipped": "yellow", "buffered": "cyan"}


def print_schedules(schedules: Sequence[ScheduleDocument], *, as_json: bool) -> None:
    """Print schedules, each as a line of JSON or as a row of a table.

    Under `runs` they have the counts of their runs, if these were requested.
    """
    now = datetime.now(UTC)
    columns = ("schedule", "job", "state", "next tick", "last tick", "runs", "when")
    print_list(
        schedules,
        columns,
        lambda schedule: _row(schedule, now),
        as_json=as_json,
        none="no schedules",
    )


def _row(schedule: ScheduleDocument, now: datetime) -> list[str | Text]:
    state = Text("paused", "yellow") if schedule.is_paused else Text("active", "green")
    last_tick = schedule["lastTick"]
    last = "" if last_tick is None else last_tick["outcome"]
    runs = _runs(schedule.get("runs"))
    next_tick = _next_tick(schedule, now)
    return [schedule.id, schedule.job, state, next_tick, last, runs, _rhythm(schedule)]


def _runs(runs: Mapping[str, Any] | None) -> Text:
    """Return how many of a schedule's runs succeeded, of those that ended by themselves."""
    if runs is None:
        return Text()
    succeeded, failed = runs["counts"]["succeeded"], failed_of(runs["counts"])
    if not succeeded + failed:
        return Text("none ended", "dim")
    return Text(f"{succeeded} of {succeeded + failed} ok", "red" if failed else "green")


def _next_tick(schedule: ScheduleDocument, now: datetime) -> str:
    moment = schedule.next_at
    if schedule.is_paused or moment is None:
        return "none"
    if moment <= now:
        return "now"
    # The time until then is how long ago now is, seen from then.
    return f"in {ago(now, moment)}"


def _rhythm(schedule: ScheduleDocument) -> str:
    if schedule.every_ms is not None:
        return f"every {duration(schedule.every_ms)}"
    return f"{schedule.cron} {schedule.time_zone}"


schedules_app = typer.Typer(
    help="Launch jobs by the clock, and list the outcomes of ticks.", no_args_is_help=True
)

ScheduleId = Annotated[str, typer.Argument(metavar="ID", help="The schedule's id.")]
ScheduleIds = Annotated[list[str], typer.Argument(metavar="ID", help="The schedules' ids.")]


@command(schedules_app, "list")
def list_schedules(*, as_of: AsOf = None, as_json: AsJson = False, to: ServiceOptions) -> None:
    """List all schedules, by id, with how many of their runs of the last week succeeded."""
    moment = position_or_moment(as_of, datetime.now(UTC))
    with connected(to) as client:
        schedules = list(client.schedules.each(moment))
        if moment is None:
            runs = client.schedules.runs([schedule.id for schedule in schedules])
            by_id = {one.schedule: one for one in runs}
            schedules = [
                ScheduleDocument({**schedule, "runs": by_id.get(schedule.id)})
                for schedule in schedules
            ]
    print_schedules(schedules, as_json=as_json)


@command(schedules_app)
def show(*, schedule_id: ScheduleId, as_json: AsJson = False, to: ServiceOptions) -> None:
    """Show a schedule in full."""
    with connected(to) as client:
        schedule = client.schedules.show(schedule_id)
    if as_json:
        print_json(schedule)
        return
    print_document(schedule)


@command(schedules_app)
def create(  # noqa: PLR0913 - one for each option
    *,
    schedule_id: Annotated[str, typer.Argument(metavar="ID", help="The new schedule's id.")],
    job: Annotated[
        str, typer.Argument(help="The slug of the job to launch.", autocompletion=complete_slug)
    ],
    parameters: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="Parameters of its runs.")
    ] = None,
    cron: Annotated[
        str | None, typer.Option(help="Minute, hour, day of month, month, day of week.")
    ] = None,
    every: Annotated[
        str | None, typer.Option(help="An interval instead of --cron, such as 30s or 12h.")
    ] = None,
    time_zone: Annotated[str, typer.Option(help="The time zone of --cron.")] = "UTC",
    overlap: Annotated[
        str, typer.Option(help="What happens to a tick while an earlier run has not ended.")
    ] = "skip",
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """Create a schedule; for all fields, use a file and `schedules apply`."""
    schedule: dict[str, Any] = {
        "id": schedule_id,
        "job": job,
        "cron": cron,
        "timeZone": time_zone,
        "overlap": overlap,
    }
    if every is not None:
        schedule["everyMs"] = duration_of_option(every, "--every") // timedelta(milliseconds=1)
    with connected(to) as client:
        with suggest_job(client, job):
            schema = client.job(job)["parametersSchema"]
        schedule["parameters"] = parse_parameters(parameters or [], None, schema)
        created = client.schedules.create(schedule)
    print_schedules([created], as_json=as_json)


@command(schedules_app)
def apply(
    *,
    files: Annotated[
        list[Path], typer.Argument(help="Schedules in YAML or JSON, as POST /schedules takes them.")
    ],
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """Create schedules, and revise those that differ; a field that is left out gets its default."""
    schedules = exit_on_error(lambda: [one for path in files for one in _schedules_in(path)])
    with connected(to) as client:
        applied = [client.schedules.apply(schedule) for schedule in schedules]
    print_schedules(applied, as_json=as_json)


@command(schedules_app)
def pause(
    *,
    schedule_ids: ScheduleIds,
    reason: Annotated[
        str | None, typer.Option(help="Shown with the schedule, and kept in its history.")
    ] = None,
    to: ServiceOptions,
) -> None:
    """Pause schedules: their ticks are skipped until they are resumed."""
    with connected(to) as client:
        for schedule_id in schedule_ids:
            paused = client.schedules.pause(schedule_id, reason)
            typer.echo(f"{paused.id} is paused", err=True)


@command(schedules_app)
def resume(*, schedule_ids: ScheduleIds, to: ServiceOptions) -> None:
    """Resume paused schedules: their next ticks launch runs again."""
    with connected(to) as client:
        for schedule_id in schedule_ids:
            resumed = client.schedules.resume(schedule_id)
            typer.echo(f"{resumed.id} is resumed", err=True)


@command(schedules_app)
def delete(*, schedule_ids: ScheduleIds, to: ServiceOptions) -> None:
    """Delete schedules; their runs continue, their history stays."""
    with connected(to) as client:
        for schedule_id in schedule_ids:
            deleted = client.schedules.delete(schedule_id)
            typer.echo(f"{deleted.id} is deleted", err=True)


@command(schedules_app)
def trigger(*, schedule_id: ScheduleId, as_json: AsJson = False, to: ServiceOptions) -> None:
    """Launch a run of a schedule now, even while others run; print its id."""
    with connected(to) as client:
        run = client.schedules.trigger(schedule_id)
    if as_json:
        print_json(run.document)
        return
    typer.echo(run.id)


@command(schedules_app)
def backfill(  # noqa: PLR0913 - one for each option
    *,
    schedule_id: ScheduleId,
    begin: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="TIME",
            help="Such as 2026-11-24, yesterday, 3d (ago) or 2026-11-24T14:00:00Z.",
        ),
    ],
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="No later than now.")] = "now",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count the runs that would be launched.")
    ] = False,
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """Launch past ticks that have no run, each by the version valid then; print the runs' ids."""
    now = datetime.now(UTC)
    first = time_of_option(begin, "--from", now)
    last = time_of_option(end, "--to", now)
    with connected(to) as client:
        if dry_run:
            count = client.schedules.preview_backfill(schedule_id, first, last)
            _print_count(count, as_json=as_json)
            return
        launched = client.schedules.backfill(schedule_id, first, last)
    for run_id in launched:
        if as_json:
            print_json({"id": run_id})
            continue
        typer.echo(run_id)
    count = len(launched)
    typer.echo("1 run was launched" if count == 1 else f"{count} runs were launched", err=True)


def _print_count(count: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"count": count})
        return
    typer.echo("1 run would be launched" if count == 1 else f"{count} runs would be launched")


@command(schedules_app)
def preview(
    *,
    schedule_id: ScheduleId,
    n: Annotated[int, typer.Option("-n", min=1, max=100, help="How many.")] = 10,
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """Show the next ticks of a schedule, with their offsets from UTC."""
    with connected(to) as client:
        ticks = client.schedules.preview(schedule_id, n)
    columns = ("due", "fires", "")
    print_list(ticks, columns, _coming_row, as_json=as_json, none="no more ticks")


def _coming_row(tick: ComingTickDocument) -> tuple[str, ...]:
    return tick["dueAt"], tick["firesAt"], "excluded" if tick.is_excluded else ""


@command(schedules_app)
def ticks(
    *,
    schedule_id: ScheduleId,
    n: Annotated[int, typer.Option("-n", min=1, help="How many at most: the newest.")] = 100,
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """List the outcomes of a schedule's ticks, in the order in which they were decided."""
    with connected(to) as client:
        newest = deque(client.schedules.ticks(schedule_id), maxlen=n)
    columns = ("due", "until", "ticks", "outcome", "reason", "run")
    print_list(newest, columns, _tick_row, as_json=as_json, none="no ticks yet")


def _tick_row(tick: TickDocument) -> list[str | Text]:
    return [
        tick["dueAt"],
        tick["lastDueAt"] if tick.ticks > 1 else "",
        str(tick.ticks),
        Text(tick.outcome, STYLES[tick.outcome]),
        tick.reason or "",
        tick.run_id or "",
    ]


def _schedules_in(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the schedules in a file: one object, a list of them, or several documents."""
    for schedule in objects_in(path):
        if not is_schedule(schedule):
            msg = f"{path} must hold schedules: objects with id, job, and cron or everyMs"
            raise ValueError(msg)
        yield schedule
