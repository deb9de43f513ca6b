"""How a handler ended, as its process tells it, whatever the handler did."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from apphub_jobs.contract import JobResult, RetryAfter
from apphub_jobs.process import program
from apphub_jobs.process.program import CancelSignal, raised, returned


class UnreadableError(Exception):
    """An error whose own text fails."""

    def __str__(self) -> str:
        raise KeyError("text")


def test_an_error_without_a_readable_text_is_told_by_its_name() -> None:
    told = raised(UnreadableError(), {"parameters": {}})
    assert (told["type"], told["message"]) == ("error", "UnreadableError")
    assert "UnreadableError" in told["stack"]


@pytest.mark.parametrize("part", ["metrics", "context"])
def test_reports_that_are_no_mapping_are_an_invalid_result(part: str) -> None:
    odd: dict[str, Any] = {part: [1]}
    told = returned(JobResult(**odd), CancelSignal())
    assert told["type"] == "invalid"
    assert f"has {part} of type list, not a mapping" in told["message"]


@pytest.mark.parametrize(
    ("value", "seen", "status"),
    [
        ("a result", True, "canceled"),
        (JobResult(metrics={"rows": 3}), True, "canceled"),
        (JobResult(status="succeeded"), True, "succeeded"),
        (JobResult(status="failed"), True, "failed"),
        (replace(JobResult(), result=1), True, "canceled"),
        ("a result", False, "succeeded"),
    ],
)
def test_who_has_seen_that_it_is_to_stop_and_returns_has_stopped(
    value: object, status: str, *, seen: bool
) -> None:
    cancelled = CancelSignal()
    assert not cancelled.is_set()
    assert not cancelled.wait(0)
    cancelled.set()
    if seen:
        assert cancelled.wait(0)
    assert returned(value, cancelled)["status"] == status


async def _awaits_what_is_cancelled(_: object) -> None:
    task = asyncio.create_task(asyncio.sleep(60))
    task.cancel()
    await task


def _runs_what_is_cancelled(_: object) -> None:
    asyncio.run(_awaits_what_is_cancelled(None))


@pytest.mark.parametrize("handler", [_awaits_what_is_cancelled, _runs_what_is_cancelled])
def test_a_handler_that_meets_a_cancelled_task_has_failed(handler: Any) -> None:
    context: Any = None
    told = program._outcome(handler, context, {"parameters": {}}, CancelSignal())
    assert (told["type"], told["message"]) == ("error", "CancelledError")
    assert "_awaits_what_is_cancelled" in told["stack"]


@pytest.mark.parametrize("delay", [[1], "5"])
def test_a_delay_that_is_no_number_is_refused_where_it_is_written(delay: Any) -> None:
    with pytest.raises(TypeError, match="delay_ms="):
        RetryAfter(delay)


def test_a_handler_may_leave_no_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    monkeypatch.setattr("sys.stderr", object())
    program._flush()
