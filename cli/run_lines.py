"""Runs as lines for a terminal: one for each start and for each end of an attempt.

First durations and foreign texts in one line; then `RunLines`, which makes lines of the stream's
messages, and `Pace`, which limits them; last a line as it is printed.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from domain.clock import from_iso, ms_between, ms_since

# Durations and foreign texts, in one line.

LONGEST_TEXT = 500
"""Characters of somebody's text in a line that only tells of it; the whole is asked for by id."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


_DAY_H = 24
_HOUR_MIN = 60
_MINUTE_S = 60
_HOURS_UNTIL_DAYS = 48


def duration(ms: int) -> str:
    """Return a duration for people, such as `12 ms`, `1.2 s`, `3 min 5 s`, `2 h 10 min`."""
    seconds = ms / 1_000
    if seconds < 1:
        return f"{ms} ms"
    if round(seconds, 1) < _MINUTE_S:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), _MINUTE_S)
    if minutes < _HOUR_MIN:
        return f"{minutes} min {seconds} s"
    hours, minutes = divmod(minutes, _HOUR_MIN)
    if hours < _HOURS_UNTIL_DAYS:
        return f"{hours} h {minutes} min"
    days, hours = divmod(hours, _DAY_H)
    return f"{days} days {hours} h"


def in_one_line(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return a text without line ends and whatever else could play with a terminal."""
    plain = _UNPRINTABLE.sub(" ", text).strip()
    if len(plain) <= longest:
        return plain
    return f"{plain[:longest]}…"


TYPES = frozenset(
    {
        "job.run.pending",
        "job.run.running",
        "job.run.succeeded",
        "job.run.failed",
        "job.run.canceled",
        "job.run.expired",
    }
)
"""The types of messages that lines are made of: a run's changes of status."""

Run = Mapping[str, Any]
"""A run as a message shows it."""

MOST_REMEMBERED = 10_000
"""Starts that are kept for the durations of attempts that are retried; of more, none is said."""

MOST_A_SECOND = 20
"""Lines a second: nobody reads more. Of what is beyond, the numbers are told."""

STYLES = {
    "started": "cyan",
    "succeeded": "green",
    "failed": "red",
    "expired": "red",
    "canceled": "yellow",
    "handed back": "yellow",
}


@dataclass(frozen=True)
class RunLine:
    """A line about a run.

    Attributes:
        at: when it happened, as ISO 8601 text.
        what: `started`, `handed back`, or how the attempt or the run ended.
        details: the rest, for people.
    """

    at: str
    slug: str
    run_id: str
    what: str
    details: str

    @property
    def style(self) -> str:
        """Return the style of `what`, as rich names it."""
        return STYLES[self.what]


class RunLines:
    """Makes lines of the stream's messages."""

    def __init__(self) -> None:
        self._started: dict[str, str] = {}

    def line(self, message: Mapping[str, Any]) -> RunLine | None:
        """Return what to tell of a message, None where that is nothing."""
        at = message["occurredAt"]
        run: Run = message["data"]["run"]
        told = self._told(run, at)
        if told is None:
            return None
        what, details = told
        return RunLine(at, run["slug"], run["id"], what, details)

    def _told(self, run: Run, at: str) -> tuple[str, str] | None:
        match run["status"]:
            case "running":
                return self._start(run)
            case "pending":
                return self._back(run, at)
            case _:
                return self._end(run)

    def _start(self, run: Run) -> tuple[str, str]:
        run_id = run["id"]
        if len(self._started) < MOST_REMEMBERED:
            self._started[run_id] = run["startedAt"]
        attempt = _attempt(run["attempt"], run["maxAttempts"])
        return "started", attempt

    def _back(self, run: Run, at: str) -> tuple[str, str] | None:
        """Return what to say of a run that waits: was it launched, or did an attempt end?"""
        ran_ms = self._ran_ms(run, at)
        took = _after(ran_ms)
        if run["errorMessage"] is not None and run["attempt"] > 1:
            attempt = _attempt(run["attempt"] - 1, run["maxAttempts"])
            again = _again(run["scheduledAt"], at)
            ended = _joined(took, attempt)
            why = _why(run)
            return "failed", f"{ended}: {why}; {again}"
        if ran_ms is None:
            return None
        details = _joined(took, "it starts again")
        return "handed back", details

    def _end(self, run: Run) -> tuple[str, str]:
        self._started.pop(run["id"], None)
        status = run["status"]
        attempt = _attempt(run["attempt"], run["maxAttempts"])
        if run["startedAt"] is None:
            attempt = "before it started"
        took = _after(run["durationMs"])
        details = _joined(took, attempt)
        if status != "succeeded":
            why = _why(run)
            details = f"{details}: {why}"
        return status, details

    def _ran_ms(self, run: Run, at: str) -> int | None:
        started_at = self._started.pop(run["id"], None)
        return ms_since(started_at, at)


class Pace:
    """Lets so many lines of each second pass, and counts the others.

    It reads no clock: a second is what the moments that it is given say.
    """

    def __init__(self, most: int = MOST_A_SECOND) -> None:
        self._most = most
        self._second = 0
        self._told = 0
        self._left_out: Counter[str] = Counter()

    def lets_pass(self, what: str, now_s: float) -> bool:
        """Return whether a line may be told now; if not, it is counted."""
        if int(now_s) != self._second:
            self._second = int(now_s)
            self._told = 0
        self._told += 1
        if self._told <= self._most:
            return True
        self._left_out[what] += 1
        return False

    def summary(self, now_s: float) -> str | None:
        """Return what was left out before this second, once; None if nothing was."""
        is_over = int(now_s) != self._second
        if not self._left_out or not is_over:
            return None
        counts = [f"{number} {what}" for what, number in self._left_out.items()]
        self._left_out.clear()
        told = ", ".join(counts)
        return f"and beside these: {told}"


def _attempt(number: int, most: int) -> str:
    if most == 1:
        return ""
    return f"attempt {number} of {most}"


def _after(ms: int | None) -> str:
    if ms is None:
        return ""
    return f"after {duration(ms)}"


def _joined(*parts: str) -> str:
    said = [part for part in parts if part]
    return ", ".join(said)


def _why(run: Run) -> str:
    text = run["errorMessage"] or run["failureReason"] or "no reason given"
    return in_one_line(text)


def _again(scheduled_at: str, at: str) -> str:
    wait_ms = ms_between(from_iso(at), from_iso(scheduled_at))
    if wait_ms <= 0:
        return "the next attempt follows"
    return f"the next attempt in {duration(wait_ms)}"


WIDEST_WORD = max(map(len, STYLES))


def text_of(line: RunLine) -> Text:
    """Return a line as it is printed."""
    clock = from_iso(line.at).astimezone().strftime("%H:%M:%S")
    word = f"{line.what:<{WIDEST_WORD}}"
    return Text.assemble(
        (clock, "dim"),
        "  ",
        (word, line.style),
        "  ",
        (line.slug, "bold"),
        f"  {line.details}" if line.details else "",
        (f"  {line.run_id}", "dim"),
    )
