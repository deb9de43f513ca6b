"""Pauses between attempts grow, stay within a bound, and differ from process to process."""

import pytest

from runtime.tasks import BackOff

BACK_OFF = BackOff(initial_s=1.0, max_s=5.0)


def least() -> float:
    return 0.0


def almost_most() -> float:
    return 1.0


@pytest.mark.parametrize(
    ("failures", "longest_s"), [(1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (5, 5.0), (10_000, 5.0)]
)
def test_a_pause_doubles_with_each_failure_up_to_a_bound(failures: int, longest_s: float) -> None:
    assert BACK_OFF.pause_s(failures, almost_most) == longest_s
    assert BACK_OFF.pause_s(failures, least) == longest_s / 2
