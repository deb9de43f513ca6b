"""Loops that bear expected errors: a step that is repeated, and an action that is retried."""

import pytest

from runtime.tasks import repeat, retry


class Expected(Exception):  # noqa: N818 - stands for any error
    pass


class Script:
    """Raises or returns what it is given, in order, then raises `LookupError`."""

    def __init__(self, *outcomes: float | Exception) -> None:
        self.remaining = list(outcomes)

    async def __call__(self) -> float:
        if not self.remaining:
            raise LookupError("the script is over")
        outcome = self.remaining.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


async def test_a_step_is_repeated_after_expected_errors_and_ends_with_any_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    step = Script(0.0, Expected("away"), 0.0)
    with pytest.raises(LookupError):
        await repeat(step, "cannot step", Expected, 0.0)
    assert step.remaining == []
    assert caplog.messages == ["cannot step: away"]


async def test_an_action_is_retried_until_it_succeeds(caplog: pytest.LogCaptureFixture) -> None:
    action = Script(Expected("away"), Expected("still away"), 7.0, 8.0)
    assert await retry(action, "cannot act", Expected, 0.0) == 7.0
    assert action.remaining == [8.0]
    assert caplog.messages == [
        "cannot act, trying again: away",
        "cannot act, trying again: still away",
    ]


async def test_an_unexpected_error_is_not_retried() -> None:
    with pytest.raises(LookupError):
        await retry(Script(Expected("away")), "cannot act", Expected, 0.0)
