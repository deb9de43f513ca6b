"""`apphub-jobs jobs what-if`: simulated waits under another limit, and the recorded ones."""

from datetime import timedelta
from typing import Any

import typer

from apphub_jobs.client import Client
from apphub_jobs.client.requests.request import job_path
from cli.event_sources import SourceOptions, service_url
from cli.log_access import open_log_with_keys
from cli.options import failure
from cli.reports import finish
from cli.service import ServiceOptions, connected, suggest_job
from cli.terminal import console, print_json, print_table
from domain.errors import TooCostlyError
from domain.json_values import JsonObject
from eventlog.database.connection import Database
from eventlog.recorded_runs import read_job_history
from projections.job_history import History
from projections.what_if import present
from runtime.text import duration

CAPACITY = (
    "at most {max_at_a_time} ran at a time: whether workers had capacity for more is not recorded,"
    " and the simulation assumes it"
)

COLUMNS = ("", "starts", "median", "p95", "worst", "mean")


def show_what_if(  # noqa: PLR0913 - one for each option
    slug: str,
    limit: int | None,
    look_back: timedelta,
    options: SourceOptions,
    context: typer.Context,
    *,
    as_json: bool,
) -> None:
    """Print how long runs would have waited with this limit."""
    url = service_url(context, options)
    if url is None:
        result: Any = _simulate(options, slug, limit, look_back)
    else:
        with connected(ServiceOptions(url, options.token, options.data_dir)) as client:
            result = _request(client, slug, limit, look_back)
    if as_json:
        print_json(result)
    else:
        _print(result)


def _request(client: Client, slug: str, limit: int | None, look_back: timedelta) -> Any:
    """Let the service answer."""
    query = {"lookBackMs": look_back // timedelta(milliseconds=1), "maxConcurrentRuns": limit}
    parameters = {name: value for name, value in query.items() if value is not None}
    with suggest_job(client, slug):
        return client.request("GET", job_path(slug, "what-if"), query=parameters)["data"]


def _simulate(
    options: SourceOptions, slug: str, limit: int | None, look_back: timedelta
) -> JsonObject:
    """Answer from the database, which allows more runs than a service does."""
    with open_log_with_keys(options) as database:
        try:
            history = finish(_read(database, slug, look_back))
        except TooCostlyError as error:
            raise failure("; ".join(issue.message for issue in error.issues)) from None
    if history is None:
        raise failure(f"there is no job {slug}; to see all: apphub-jobs jobs list")
    return present(slug, limit, history)


async def _read(database: Database, slug: str, look_back: timedelta) -> History | None:
    async with await database.connect() as connection:
        return await read_job_history(connection, database.files, slug, look_back)


def _print(result: Any) -> None:
    out = console()
    period = f"{result['since']} to {result['until']}"
    out.print(f"{result['job']}, {period}: {result['runs']} runs started")
    if not result["runs"]:
        return
    limit = result["maxConcurrentRuns"]
    limits = ", then ".join(_limit_in_words(one["maxConcurrentRuns"]) for one in result["limits"])
    rows = [
        _waits_row(f"as it was, with {limits}", result["recorded"]),
        _waits_row("the same, simulated", result["simulated"]),
        _waits_row(f"with {_limit_in_words(limit)}", result["supposed"]),
    ]
    out.print()
    print_table(COLUMNS, rows)
    out.print()
    out.print(_quality(result["deviation"]))
    if result["givenUp"]:
        out.print(f"{result['givenUp']} starts would have come too late, or after a cancel")
    max_at_a_time = result["mostAtATime"]
    if limit is None or limit > max_at_a_time:
        typer.echo(CAPACITY.format(max_at_a_time=max_at_a_time), err=True)


def _quality(deviation: float | None) -> str:
    if deviation is None:
        return "no run waited, so there is nothing to compare the simulation with"
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
