"""Runs as lines for a terminal: one for each start and for each end of an attempt.

First `RunLines`, which makes lines of the stream's messages, and `LineLimiter`, which limits them;
then `text_of`, a line as it is printed.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from domain.clock import from_iso, ms_between, ms_since
from runtime.text import duration, in_one_line

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
"""The types of messages that become lines: changes of a run's status."""

Run = Mapping[str, Any]
"""A run in a message."""

MAX_STARTS = 10_000
"""Starts that are kept for the durations of failed attempts; beyond, lines have no duration."""

MAX_LINES_PER_S = 20
"""Lines per second; those beyond are only counted."""

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
        change: `started`, `handed back`, or how the attempt or the run ended.
        details: the rest, for people.
    """

    at: str
    slug: str
    run_id: str
    change: str
    details: str

    @property
    def style(self) -> str:
        """Return the style of `change`, as rich names it."""
        return STYLES[self.change]


class RunLines:
    """Makes lines of the stream's messages."""

    def __init__(self) -> None:
        self._started: dict[str, str] = {}

    def line(self, message: Mapping[str, Any]) -> RunLine | None:
        """Return the line of a message, None if it has none."""
        at = message["occurredAt"]
        run: Run = message["data"]["run"]
        change_and_details = self._change_and_details(run, at)
        if change_and_details is None:
            return None
        return RunLine(at, run["slug"], run["id"], *change_and_details)

    def _change_and_details(self, run: Run, at: str) -> tuple[str, str] | None:
        match run["status"]:
            case "running":
                return self._start(run)
            case "pending":
                return self._pending(run, at)
            case _:
                return self._end(run)

    def _start(self, run: Run) -> tuple[str, str]:
        run_id = run["id"]
        if len(self._started) < MAX_STARTS:
            self._started[run_id] = run["startedAt"]
        return "started", _attempt(run["attempt"], run["maxAttempts"])

    def _pending(self, run: Run, at: str) -> tuple[str, str] | None:
        """Return the line of a run that is pending: None if it was launched, else of an attempt."""
        ran_ms = ms_since(self._started.pop(run["id"], None), at)
        took = _after(ran_ms)
        if run["errorMessage"] is not None and run["attempt"] > 1:
            ended = _join(took, _attempt(run["attempt"] - 1, run["maxAttempts"]))
            return "failed", f"{ended}: {_reason(run)}; {_next_attempt(run['scheduledAt'], at)}"
        if ran_ms is None:
            return None
        return "handed back", _join(took, "it starts again")

    def _end(self, run: Run) -> tuple[str, str]:
        self._started.pop(run["id"], None)
        status = run["status"]
        if run["startedAt"] is None:
            when = before_start(run)
        else:
            when = _attempt(run["attempt"], run["maxAttempts"])
        details = _join(_after(run["durationMs"]), when)
        if status != "succeeded":
            details = f"{details}: {_reason(run)}"
        return status, details


def before_start(run: Run) -> str:
    """Return before which attempt a run ended that was not running then."""
    if run["attempt"] == 1:
        return "before it started"
    return f"while it waited for {_attempt(run['attempt'], run['maxAttempts'])}"


class LineLimiter:
    """Limits the lines of each second, and counts those beyond.

    It reads no clock: the caller passes the time.
    """

    def __init__(self, max_per_s: int = MAX_LINES_PER_S) -> None:
        self._max_per_s = max_per_s
        self._second = 0
        self._lines = 0
        self._left_out: Counter[str] = Counter()

    def allows(self, change: str, now_s: float) -> bool:
        """Return whether a line about such a change may be printed now; if not, count it."""
        if int(now_s) != self._second:
            self._second = int(now_s)
            self._lines = 0
        self._lines += 1
        if self._lines <= self._max_per_s:
            return True
        self._left_out[change] += 1
        return False

    def summary(self, now_s: float) -> str | None:
        """Return the counts of lines left out before this second, once; None if there are none."""
        is_over = int(now_s) != self._second
        if not self._left_out or not is_over:
            return None
        counts = ", ".join(f"{number} {change}" for change, number in self._left_out.items())
        self._left_out.clear()
        return f"not shown: {counts}"


def _attempt(number: int, max_attempts: int) -> str:
    return "" if max_attempts == 1 else f"attempt {number} of {max_attempts}"


def _after(ms: int | None) -> str:
    return "" if ms is None else f"after {duration(ms)}"


def _join(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _reason(run: Run) -> str:
    return in_one_line(run["errorMessage"] or run["failureReason"] or "no reason given")


def _next_attempt(scheduled_at: str, at: str) -> str:
    wait_ms = ms_between(from_iso(at), from_iso(scheduled_at))
    if wait_ms <= 0:
        return "the next attempt follows"
    return f"the next attempt in {duration(wait_ms)}"


WIDEST_WORD = max(map(len, STYLES))


def text_of(line: RunLine) -> Text:
    """Return a line as it is printed."""
    clock = from_iso(line.at).astimezone().strftime("%H:%M:%S")
    word = f"{line.change:<{WIDEST_WORD}}"
    return Text.assemble(
        (clock, "dim"),
        "  ",
        (word, line.style),
        "  ",
        (line.slug, "bold"),
        f"  {line.details}" if line.details else "",
        (f"  {line.run_id}", "dim"),
    )
