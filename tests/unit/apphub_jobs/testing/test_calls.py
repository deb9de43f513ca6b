"""`call` runs a job in the test's process as a run would: through JSON, validated, typed."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest

from apphub_jobs import JobResult, JobRunContext, PermanentError, job
from apphub_jobs.process.program import NotJsonError
from apphub_jobs.testing import acall, call


@dataclass
class Seen:
    last: date
    attempt: int


@job(retries=2)
def look(context: JobRunContext, first: date, days: int = 1) -> Seen:
    context.update(progress=0.5, metrics={"days": days})
    assert context.run.max_attempts == context.definition.retry_policy["maxAttempts"]  # type: ignore[index]
    return Seen(first + timedelta(days=days), context.run.attempt)


def test_arguments_and_results_are_as_in_a_run() -> None:
    assert call(look, date(2026, 11, 25)) == Seen(date(2026, 11, 26), 1)
    with pytest.raises(PermanentError, match="days: Input should be a valid integer"):
        call(look, first=date(2026, 1, 1), days="many")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="missing a required argument: 'first'"):
        call(look)  # type: ignore[arg-type]


@job
async def later(n: int) -> list[int]:
    return [n]


def test_a_coroutine_function_is_run_to_its_end() -> None:
    assert call(later, 3) == [3]


async def test_a_coroutine_function_is_awaited_in_a_test_that_awaits() -> None:
    assert await acall(later, n=3) == [3]
    assert await acall(look, date(2026, 1, 1), days=0) == Seen(date(2026, 1, 1), 1)


@job
def ends(status: Any) -> JobResult:
    return JobResult(status=status, result=(1, 2), metrics={"n": 1})


def test_a_job_result_is_given_whole() -> None:
    assert call(ends, status="canceled") == JobResult(
        status="canceled", result=[1, 2], metrics={"n": 1}
    )


def plain(context: JobRunContext) -> dict[str, Any]:
    return {"given": context.parameters, "attempt": context.run.attempt}


def test_a_plain_handler_gets_parameters_by_name() -> None:
    assert call(plain, n=(1,)) == {"given": {"n": [1]}, "attempt": 1}


def test_what_a_run_could_not_tell_is_refused_with_its_place() -> None:
    with pytest.raises(NotJsonError, match=r"result\.a is a value of type set"):
        call(lambda _: {"a": {1}})
    with pytest.raises(NotJsonError, match=r"metrics\.a is a value of type set"):
        call(lambda context: context.update(metrics={"a": {1}}))


def test_what_a_job_raises_comes_through() -> None:
    def fail(_: JobRunContext) -> None:
        raise KeyError("on purpose")

    with pytest.raises(KeyError, match="on purpose"):
        call(fail)
