"""What the terminal is told of runs, message by message."""

from typing import Any

import pytest

from cli.run_lines import LineLimiter, RunLines
from runtime.text import duration, in_one_line

STARTED_AT = "2026-11-25T12:00:00.000Z"


def message(status: str, at: str = STARTED_AT, **run: Any) -> dict[str, Any]:
    fields = {
        "id": "01a0c450-6c0b-76d8-8c33-35d42fd8b4ee",
        "slug": "greet",
        "status": status,
        "attempt": 1,
        "maxAttempts": 3,
        "errorMessage": None,
        "failureReason": None,
        "durationMs": None,
        "startedAt": STARTED_AT if status != "pending" else None,
        "scheduledAt": STARTED_AT,
        **run,
    }
    return {"type": f"job.run.{status}", "occurredAt": at, "data": {"run": fields}}


def lines_of(*messages: dict[str, Any]) -> list[str]:
    lines = RunLines()
    printed = [lines.line(one) for one in messages]
    return [f"{line.change}: {line.details}" for line in printed if line is not None]


def test_a_run_is_told_at_its_start_and_at_its_end() -> None:
    assert lines_of(
        message("pending"), message("running"), message("succeeded", durationMs=1_234)
    ) == ["started: attempt 1 of 3", "succeeded: after 1.2 s, attempt 1 of 3"]


def test_an_attempt_that_is_retried_says_why_and_when_the_next_one_comes() -> None:
    again = message(
        "pending",
        at="2026-11-25T12:00:02.500Z",
        attempt=2,
        errorMessage="boom",
        scheduledAt="2026-11-25T12:00:12.500Z",
    )
    assert lines_of(message("running"), again) == [
        "started: attempt 1 of 3",
        "failed: after 2.5 s, attempt 1 of 3: boom; the next attempt in 10.0 s",
    ]


def test_a_run_that_a_stopping_worker_returns_is_told() -> None:
    back = message("pending", at="2026-11-25T12:00:01.000Z")
    assert lines_of(message("running"), back)[1] == ("handed back: after 1.0 s, it starts again")


@pytest.mark.parametrize("status", ["failed", "expired", "canceled"])
def test_an_end_without_success_says_why(status: str) -> None:
    end = message(status, durationMs=5, maxAttempts=1, errorMessage="no\nmore \x1b[31m")
    assert lines_of(end) == [f"{status}: after 5 ms: no more  [31m"]


def test_what_never_started_says_so() -> None:
    end = message("canceled", startedAt=None, errorMessage="not wanted")
    assert lines_of(end) == ["canceled: before it started: not wanted"]
    between = message("canceled", startedAt=None, attempt=2, errorMessage="not wanted")
    assert lines_of(between) == ["canceled: while it waited for attempt 2 of 3: not wanted"]


def test_of_many_lines_a_second_the_rest_is_counted() -> None:
    limiter = LineLimiter(max_per_s=2)
    passed = [limiter.allows("started", 10.1) for _ in range(4)]
    assert passed == [True, True, False, False]
    assert limiter.summary(10.9) is None
    assert limiter.allows("failed", 11.0)
    assert limiter.summary(11.2) is None
    assert limiter.summary(12.0) == "not shown: 2 started"
    assert limiter.summary(13.0) is None


@pytest.mark.parametrize(
    ("ms", "message"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1.0 s"),
        (59_940, "59.9 s"),
        (59_950, "1 min 0 s"),
        (3_600_000, "1 h 0 min"),
        (200_000_000, "2 days 7 h"),
    ],
)
def test_durations_are_said_for_people(ms: int, message: str) -> None:
    assert duration(ms) == message


def test_texts_of_others_cannot_play_with_the_terminal() -> None:
    assert in_one_line("a\r\nb\x1b]0;title\x07\u202ec") == "a b ]0;title c"
    assert in_one_line("x" * 600) == "x" * 500 + "…"
