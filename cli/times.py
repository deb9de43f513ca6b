"""Times as people type them: `yesterday`, `2h`, `2026-11-24`, or ISO 8601 with an offset."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Annotated

import typer

from apphub_jobs.typed.job import milliseconds
from domain.clock import from_iso, to_iso
from domain.filters import NOT
from runtime.text import duration

HINT = (
    "give `now`, `today`, `yesterday`, how long ago it was (`90s`, `2h`, `3d`), a day (2026-11-24,"
    " from midnight on here), or a time with an offset (2026-11-24T14:00:00Z)"
)

DAY = timedelta(days=1)

CONDITIONS = ("createdAfter", "createdBefore", "endedAfter", "endedBefore")
"""The conditions of filters whose values are times."""

AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="WHEN",
        help="As it was then: a position of the log, or a time, such as yesterday, 2h (ago) or"
        " 2026-11-24T14:00:00Z.",
    ),
]


_DAY = re.compile(r"\d{4}-\d\d-\d\d")

_AGO = re.compile(r"\d.*[a-y]")
"""A duration; ISO 8601 ends with a digit or `Z`."""

_DAYS_AGO = {"today": 0, "yesterday": 1}

MAX_DIGITS = 18
"""Of a position of the log."""


def moment_of(text: str, now: datetime, zone: tzinfo | None = None) -> datetime:
    """Return the moment that a text names.

    Args:
        text: such as `yesterday`, `2h`, `2026-11-24`, or ISO 8601.
        now: the present.
        zone: the time zone of days; None for this machine's.

    Raises:
        ValueError: the text is not a time; the message says how to write one.
    """
    try:
        if text == "now":
            return now
        if text in _DAYS_AGO:
            today = now.astimezone(zone).date()
            return _midnight(today - timedelta(_DAYS_AGO[text]), zone)
        if _DAY.fullmatch(text):
            return _midnight(date.fromisoformat(text), zone)
        if _AGO.fullmatch(text):
            return now.astimezone(UTC) - timedelta(milliseconds=milliseconds(text))
        return from_iso(text)
    except (ValueError, OverflowError):
        msg = f"{text!r} is no time: {HINT}"
        raise ValueError(msg) from None


def _midnight(day: date, zone: tzinfo | None) -> datetime:
    if zone is None:
        return datetime.combine(day, time()).astimezone()
    return datetime.combine(day, time(), zone)


def ago(moment: datetime, now: datetime) -> str:
    """Return the time since a moment for people, in whole seconds."""
    passed_ms = max(0, round((now - moment).total_seconds() * 1_000))
    return duration(passed_ms // 1_000 * 1_000)


def time_of_option(text: str, option: str, now: datetime) -> datetime:
    """Return the moment that an option names.

    Raises:
        typer.BadParameter: the text is not a time; the message names the option.
    """
    try:
        return moment_of(text, now)
    except ValueError as error:
        msg = f"{option}: {error}"
        raise typer.BadParameter(msg) from None


def duration_of_option(text: str, option: str) -> timedelta:
    """Return the duration that an option names.

    Raises:
        typer.BadParameter: the text is not a duration; the message names the option.
    """
    try:
        return timedelta(milliseconds=milliseconds(text))
    except ValueError as error:
        raise typer.BadParameter(f"{option}: {error}") from None
    except OverflowError:
        raise typer.BadParameter(f"{option}: {text!r} is too long") from None


def position_or_moment(as_of: str | None, now: datetime) -> int | datetime | None:
    """Return the position or time of `--as-of`; None without the option.

    Raises:
        typer.BadParameter: it is neither.
    """
    if as_of is None:
        return None
    if as_of.isascii() and as_of.isdigit() and len(as_of) <= MAX_DIGITS:
        return int(as_of)
    try:
        return moment_of(as_of, now)
    except ValueError as error:
        msg = f"--as-of: {error}; or a position of the log"
        raise typer.BadParameter(msg) from None


def with_moments(conditions: Sequence[str], now: datetime) -> list[str]:
    """Return a filter's conditions with their times in ISO 8601.

    Raises:
        typer.BadParameter: a time is invalid.
    """
    return [_with_moment(condition, now) for condition in conditions]


def _with_moment(condition: str, now: datetime) -> str:
    name, equals, text = condition.partition("=")
    if not equals or name.removesuffix(NOT) not in CONDITIONS:
        return condition
    return f"{name}={parse_moment(text, name, now)}"


def parse_moment(text: str, what: str, now: datetime) -> str:
    """Return a time in ISO 8601; empty for an empty text.

    Args:
        text: the time as `moment_of` takes it.
        what: the option or field, for the error.
        now: the present.

    Raises:
        typer.BadParameter: the text is not a time.
    """
    return to_iso(time_of_option(text, what, now)) if text else ""
