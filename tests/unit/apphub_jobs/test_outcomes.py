"""The messages of a handler's outcome, whatever the handler does."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from apphub_jobs.contract import JobResult, RetryAfter
from apphub_jobs.process import program
from apphub_jobs.process.program import CancelSignal, error_message, result_message


class UnreadableError(Exception):
    """An error whose own text fails."""

    def __str__(self) -> str:
        raise KeyError("text")


def test_an_error_without_a_readable_text_is_reported_by_its_name() -> None:
    message = error_message(UnreadableError(), {"parameters": {}})
    assert (message["type"], message["message"]) == ("error", "UnreadableError")
    assert "UnreadableError" in message["stack"]


@pytest.mark.parametrize("part", ["metrics", "context"])
def test_reports_that_are_no_mapping_are_an_invalid_result(part: str) -> None:
    odd: dict[str, Any] = {part: [1]}
    message = result_message(JobResult(**odd), CancelSignal())
    assert message["type"] == "invalid"
    assert f"has {part} of type list, not a mapping" in message["message"]


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
def test_a_handler_that_has_seen_the_cancel_signal_and_returns_is_canceled(
    value: object, status: str, *, seen: bool
) -> None:
    cancelled = CancelSignal()
    assert not cancelled.is_set()
    assert not cancelled.wait(0)
    cancelled.set()
    if seen:
        assert cancelled.wait(0)
    assert result_message(value, cancelled)["status"] == status


async def _awaits_what_is_cancelled(_: object) -> None:
    task = asyncio.create_task(asyncio.sleep(60))
    task.cancel()
    await task


def _runs_what_is_cancelled(_: object) -> None:
    asyncio.run(_awaits_what_is_cancelled(None))


@pytest.mark.parametrize("handler", [_awaits_what_is_cancelled, _runs_what_is_cancelled])
def test_a_handler_that_awaits_a_cancelled_task_fails(handler: Any) -> None:
    context: Any = None
    message = program._call_handler(handler, context, {"parameters": {}}, CancelSignal())
    assert (message["type"], message["message"]) == ("error", "CancelledError")
    assert "_awaits_what_is_cancelled" in message["stack"]


@pytest.mark.parametrize("delay", [[1], "5"])
def test_a_delay_that_is_no_number_is_refused_by_the_constructor(delay: Any) -> None:
    with pytest.raises(TypeError, match="delay_ms="):
        RetryAfter(delay)


def test_a_handler_may_remove_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    monkeypatch.setattr("sys.stderr", object())
    program._flush()
