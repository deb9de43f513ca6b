"""`apphub-jobs jobs what-if`: waits under another limit, beside what they really were."""

from datetime import UTC, datetime, timedelta

import typer

from cli.log_access import operated_with_keys
from cli.options import KeyedLogOptions, failure
from cli.reports import finish
from cli.run_lines import duration
from cli.terminal import console, print_json, print_table
from domain.clock import to_iso
from domain.errors import InvalidInputError
from domain.json_values import Json, JsonObject
from eventlog.database.connection import Database
from eventlog.recorded_runs import recorded
from projections.simulation import Answer, History, Waits, answer

ROOM = (
    "never were more than {most} under way at a time: whether workers had room for more is not"
    " recorded, and the simulation supposes so"
)

COLUMNS = ("", "starts", "median", "p95", "worst", "mean")


def show_what_if(
    slug: str, limit: int | None, back: timedelta, place: KeyedLogOptions, *, as_json: bool
) -> None:
    """Print how long runs would have waited with this limit."""
    with operated_with_keys(place) as opened:
        try:
            history = finish(_read(opened, slug, back))
        except InvalidInputError as error:
            raise failure(error) from None
    if history is None:
        raise failure(f"there is no job {slug}; to see all: apphub-jobs jobs list")
    found = answer(history, limit)
    if as_json:
        print_json(_document(slug, limit, history, found))
    else:
        _print(slug, limit, history, found)


async def _read(opened: Database, slug: str, back: timedelta) -> History | None:
    async with await opened.connect() as connection:
        return await recorded(connection, opened.files, slug, back)


def _document(slug: str, limit: int | None, history: History, found: Answer) -> JsonObject:
    limits: list[Json] = [
        {"since": _iso(at), "maxConcurrentRuns": most} for at, most in found.limits
    ]
    return {
        "job": slug,
        "since": _iso(history.since),
        "until": _iso(history.until),
        "runs": found.runs,
        "limits": limits,
        "mostAtATime": found.most_at_a_time,
        "recorded": found.really.present(),
        "simulated": found.again.present(),
        "deviation": found.deviation,
        "maxConcurrentRuns": limit,
        "supposed": found.supposed.present(),
        "givenUp": found.given_up,
    }


def _print(slug: str, limit: int | None, history: History, found: Answer) -> None:
    out = console()
    since = _iso(history.since)
    until = _iso(history.until)
    period = f"{since} to {until}"
    told = f"{slug}, {period}: {found.runs} runs started"
    out.print(told)
    if not found.runs:
        return
    told_limits = [_told(most) for _, most in found.limits]
    limits = ", then ".join(told_limits)
    rows = [
        _waits_row(f"as it was, with {limits}", found.really),
        _waits_row("the same, simulated", found.again),
        _waits_row(f"with {_told(limit)}", found.supposed),
    ]
    out.print()
    print_table(COLUMNS, rows)
    out.print()
    quality = _quality(found.deviation)
    out.print(quality)
    if found.given_up:
        out.print(f"{found.given_up} starts would not have come in time")
    most = found.most_at_a_time
    if limit is None or limit > most:
        hint = ROOM.format(most=most)
        typer.echo(hint, err=True)


def _quality(deviation: float | None) -> str:
    if deviation is None:
        return "nothing waited, so there is nothing to hold the simulation against"
    return f"simulated as it was, waits differ from what they were by {deviation:.1%}"


def _waits_row(name: str, waits: Waits) -> list[str]:
    return [
        name,
        str(waits.starts),
        duration(waits.median_ms),
        duration(waits.p95_ms),
        duration(waits.worst_ms),
        duration(waits.mean_ms),
    ]


def _told(limit: int | None) -> str:
    if limit is None:
        return "no limit"
    return f"maxConcurrentRuns {limit}"


def _iso(at: int) -> str:
    return to_iso(datetime.fromtimestamp(at / 1_000, UTC))
