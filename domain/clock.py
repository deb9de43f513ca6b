"""Times of the domain: UTC, cut to milliseconds, written as ISO 8601 with a `Z`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

Clock = Callable[[], datetime]
"""Returns the present. It is an argument everywhere, so that tests can repeat decisions."""

CLOCK_STEP = timedelta(seconds=1)
"""A database's clock that is behind its last reading by more than this was set back."""

_MS = timedelta(milliseconds=1)

_WITHOUT_OFFSET = len("2026-01-01T00:00:00.000")


def cut_to_ms(moment: datetime) -> datetime:
    """Return the moment in UTC without its microseconds below a millisecond."""
    if moment.microsecond % 1000 == 0 and moment.tzinfo is UTC:  # Nearly all times in the log.
        return moment
    whole_ms = moment.microsecond // 1000
    return moment.astimezone(UTC).replace(microsecond=whole_ms * 1000)


def to_iso(moment: datetime) -> str:
    """Return for example `2026-11-24T14:31:04.123Z`.

    It always has 24 characters, so the order of texts is that of times.
    """
    return _utc_text(cut_to_ms(moment))


@lru_cache(maxsize=1_024)
def _utc_text(moment: datetime) -> str:
    """Write a moment in UTC. An event's is written twice, and all of a claim have the same."""
    text = moment.isoformat(timespec="milliseconds")
    return text[:_WITHOUT_OFFSET] + "Z"


def from_iso(text: str) -> datetime:
    """Read what `to_iso` wrote, or any ISO 8601 time with an offset.

    Raises:
        ValueError: it is no such time, it names no offset, or in UTC it has no year.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        msg = "the time needs an offset, for example 2026-11-24T14:31:04.123Z"
        raise ValueError(msg)
    try:
        return cut_to_ms(moment)
    except OverflowError:  # 9999-12-31T23:59:59-01:00 lies in the year 10000.
        msg = "must lie between the years 1 and 9999, in UTC"
        raise ValueError(msg) from None


def later(moment: datetime, delay_ms: int) -> datetime:
    """Return the moment `delay_ms` milliseconds on."""
    return moment + timedelta(milliseconds=delay_ms)


def ms_between(start: datetime, end: datetime) -> int:
    """Return the whole milliseconds from start to end."""
    return (end - start) // _MS


def ms_since(start: str | None, end: str) -> int | None:
    """Return the milliseconds between two times in ISO 8601, None if there is no start."""
    if start is None:
        return None
    return ms_between(from_iso(start), from_iso(end))
