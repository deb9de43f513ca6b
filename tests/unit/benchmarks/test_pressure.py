"""What `make pressure` makes of its figures."""

from dataclasses import replace

import pytest

from benchmarks.pressure.__main__ import line, missed_goals
from benchmarks.pressure.program import Figures, quantile

GOOD = Figures(
    rate=1000.0,
    first_rate=1010.0,
    last_rate=990.0,
    processor_us=200.0,
    dead_rows=12_345,
    wal_bytes=5_000.0,
    commits=1.5,
    accepted=60_000,
    refused=0,
    unanswered=0,
    p50_s=0.02,
    p99_s=0.05,
    max_s=0.2,
    lost=0,
    stop_s=1.0,
)


def test_a_good_run_misses_no_goal() -> None:
    results = {"baseline": GOOD, "xmin": replace(GOOD, rate=960.0), "locks": GOOD}
    assert missed_goals(results) == []
    assert "0.96 of the baseline" in line("xmin", results)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rate": 940.0}, "0.94 of the baseline"),
        ({"max_s": 1.1}, "an answer took 1.1 s"),
        ({"stop_s": 10.5}, "stopped in 10.5 s"),
        ({"lost": 1}, "1 accepted launches are lost"),
    ],
)
def test_each_goal_that_is_missed_is_told(changed: dict[str, float], message: str) -> None:
    [missed] = missed_goals({"baseline": GOOD, "xmin": replace(GOOD, **changed)})  # type: ignore[arg-type]
    assert message in missed


def test_a_quantile_is_one_of_the_values() -> None:
    values = [5.0, 1.0, 3.0, 4.0, 2.0]
    assert [quantile(values, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1, 3, 5, 5]
    assert quantile([], 0.5) == 0
