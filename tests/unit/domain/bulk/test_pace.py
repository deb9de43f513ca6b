"""How many runs a batch has follows what the last one cost."""

import pytest

from domain import bulk


@pytest.mark.parametrize(
    ("size", "held_ms", "following"),
    [
        (40, 8.0, 40),
        (40, 16.0, 20),
        (40, 12.8, 25),
        (40, 400.0, 20),
        (40, 6.4, 50),
        (40, 0.1, 50),
        (40, 0.0, 40),
        (25, 400.0, bulk.MIN_BATCH),
        (bulk.MIN_BATCH, 400.0, bulk.MIN_BATCH),
        (bulk.MIN_BATCH, 1.0, 25),
        (1, 400.0, bulk.MIN_BATCH),
        (bulk.MAX_BATCH, 1.0, bulk.MAX_BATCH),
    ],
)
def test_the_next_batch_is_as_long_as_the_aim_allows(
    size: int, held_ms: float, following: int
) -> None:
    assert bulk.next_size(size, held_ms) == following


@pytest.mark.parametrize("run_ms", [0.1, 0.2, 0.3])
def test_it_comes_near_to_the_aim_whatever_a_run_costs(run_ms: float) -> None:
    commit_ms = 2.0
    size = bulk.FIRST
    for _ in range(20):
        size = bulk.next_size(size, commit_ms + size * run_ms)
    held_ms = commit_ms + size * run_ms
    assert bulk.AIM_MS - 2 * run_ms <= held_ms <= bulk.AIM_MS


def test_where_a_commit_alone_takes_too_long_all_of_it_still_gets_on() -> None:
    commit_ms, run_ms = 25.0, 0.6
    size = bulk.FIRST
    for _ in range(20):
        size = bulk.next_size(size, commit_ms + size * run_ms)
    held_ms = commit_ms + size * run_ms
    assert held_ms / size < 2.0
