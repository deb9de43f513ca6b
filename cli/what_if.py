"""`apphub-jobs jobs what-if`: waits under another limit, beside what they really were."""

from datetime import timedelta
from typing import Any

import typer

from apphub_jobs.client import Client
from cli.event_sources import SourceOptions, service_url
from cli.log_access import operated_with_keys
from cli.options import failure
from cli.reports import finish
from cli.run_lines import duration
from cli.service import ServiceOptions, connected, job_named
from cli.terminal import console, print_json, print_table
from domain.errors import TooCostlyError
from domain.json_values import JsonObject
from eventlog.database.connection import Database
from eventlog.recorded_runs import recorded
from projections.simulation import History, present

CAPACITY = (
    "never were more than {most} under way at a time: whether workers had room for more is not"
    " recorded, and the simulation supposes so"
)

COLUMNS = ("", "starts", "median", "p95", "worst", "mean")


def show_what_if(  # noqa: PLR0913 - one for each option
    slug: str,
    limit: int | None,
    back: timedelta,
    place: SourceOptions,
    context: typer.Context,
    *,
    as_json: bool,
) -> None:
    """Print how long runs would have waited with this limit."""
    url = service_url(context, place)
    if url is None:
        found: Any = _simulate(place, slug, limit, back)
    else:
        with connected(ServiceOptions(url, place.token, place.data_dir)) as client:
            found = _request(client, slug, limit, back)
    if as_json:
        print_json(found)
    else:
        _print(found)


def _request(client: Client, slug: str, limit: int | None, back: timedelta) -> Any:
    """Let the service answer."""
    query = {"lookBackMs": back // timedelta(milliseconds=1), "maxConcurrentRuns": limit}
    given = {name: value for name, value in query.items() if value is not None}
    with job_named(client, slug):
        return client.request("GET", f"/jobs/{slug}/what-if", query=given)["data"]


def _simulate(place: SourceOptions, slug: str, limit: int | None, back: timedelta) -> JsonObject:
    """Answer from the database: more runs than a service takes upon itself."""
    with operated_with_keys(place) as opened:
        try:
            history = finish(_read(opened, slug, back))
        except TooCostlyError as error:
            raise failure("; ".join(issue.message for issue in error.issues)) from None
    if history is None:
        raise failure(f"there is no job {slug}; to see all: apphub-jobs jobs list")
    return present(slug, limit, history)


async def _read(opened: Database, slug: str, back: timedelta) -> History | None:
    async with await opened.connect() as connection:
        return await recorded(connection, opened.files, slug, back)


def _print(found: Any) -> None:
    out = console()
    period = f"{found['since']} to {found['until']}"
    out.print(f"{found['job']}, {period}: {found['runs']} runs started")
    if not found["runs"]:
        return
    limit = found["maxConcurrentRuns"]
    limits = ", then ".join(_limit_in_words(one["maxConcurrentRuns"]) for one in found["limits"])
    rows = [
        _waits_row(f"as it was, with {limits}", found["recorded"]),
        _waits_row("the same, simulated", found["simulated"]),
        _waits_row(f"with {_limit_in_words(limit)}", found["supposed"]),
    ]
    out.print()
    print_table(COLUMNS, rows)
    out.print()
    out.print(_quality(found["deviation"]))
    if found["givenUp"]:
        out.print(f"{found['givenUp']} starts would not have come in time")
    most = found["mostAtATime"]
    if limit is None or limit > most:
        typer.echo(CAPACITY.format(most=most), err=True)


def _quality(deviation: float | None) -> str:
    if deviation is None:
        return "nothing waited, so there is nothing to hold the simulation against"
    return f"simulated as it was, waits differ from what they were by {deviation:.1%}"


def _waits_row(name: str, waits: Any) -> list[str]:
    return [
        name,
        str(waits["starts"]),
        duration(waits["medianMs"]),
        duration(waits["p95Ms"]),
        duration(waits["worstMs"]),
        duration(waits["meanMs"]),
    ]


def _limit_in_words(limit: int | None) -> str:
    return "no limit" if limit is None else f"maxConcurrentRuns {limit}"
