"""Declared command lines as handlers: what they say last is why they failed."""

import os
import sys
import tracemalloc

import pytest

from apphub_jobs.contract import JobResult
from apphub_jobs.process import handlers
from apphub_jobs.process.handlers import TAIL_CHARACTERS, command_handler
from tests.support.contexts import context_of


def ended(program: str) -> str | None:
    handler = command_handler([sys.executable, "-c", program])
    result = handler(context_of())
    assert isinstance(result, JobResult)
    assert result.status == "failed"
    message = result.error_message
    assert message is not None
    return message.removeprefix(f"{sys.executable} ")


def test_the_end_of_standard_error_is_the_reason() -> None:
    error = ended("import sys; print('fine'); sys.exit('no such customer')")
    assert error == "ended with exit code 1: no such customer"


def test_who_says_nothing_fails_by_the_exit_code() -> None:
    assert ended("print('fine'); raise SystemExit(3)") == "ended with exit code 3"


def test_a_signal_is_told_as_one() -> None:
    killing = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert ended(killing) == "was killed by signal 9"


def test_only_the_end_of_much_is_kept() -> None:
    much = "import sys; [print('x' * 500, n, file=sys.stderr) for n in range(9)]"
    error = ended(f"{much}; sys.exit(2)")
    assert error is not None
    assert error.endswith("x 8")
    assert len(error) < TAIL_CHARACTERS + 100


def test_a_line_that_does_not_end_is_not_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "MAX_RESULT_BYTES", 200_000)
    program = "print('.' * 20_000_000); print('[1, 2]')"
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", nowhere)
        tracemalloc.start()
        result = command_handler([sys.executable, "-c", program])(context_of())
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert isinstance(result, JobResult)
    assert result.result == [1, 2]
    assert peak_bytes < 5_000_000


@pytest.mark.parametrize(
    ("printed", "status"), [("'[' + '1,' * 200_000", "failed"), ("'.' * 300_000", "succeeded")]
)
def test_a_last_line_that_is_too_long_is_no_result(
    monkeypatch: pytest.MonkeyPatch, printed: str, status: str
) -> None:
    monkeypatch.setattr(handlers, "MAX_RESULT_BYTES", 200_000)
    program = f"print({printed}, end='')"
    result = command_handler([sys.executable, "-c", program])(context_of())
    assert isinstance(result, JobResult)
    assert (result.status, result.result) == (status, None)


def test_a_last_line_that_is_nested_too_deeply_is_no_result() -> None:
    handler = command_handler([sys.executable, "-c", "print('[' * 100_000)"])
    result = handler(context_of())
    assert isinstance(result, JobResult)
    assert (result.status, result.result) == ("succeeded", None)
