"""API and worker stay within their memory while events stream past (`make memory`: a million)."""

from pathlib import Path

import pytest

from benchmarks import memory

EVENTS = 12_000


@pytest.mark.slow
def test_the_processes_hold_as_much_at_the_end_as_at_the_beginning(
    database_url: str, tmp_path: Path
) -> None:
    watched = memory.measure(database_url, tmp_path, EVENTS)
    assert len(watched.moments) > 3
    assert max(held["API"] for _, held in watched.moments) <= memory.GOAL_MB
    # What a process keeps for good it has after the first thousands; a leak of a message each would
    # show.
    assert max(watched.growth().values()) < 1.2, watched.moments
