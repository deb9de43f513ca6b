"""A short round of `make chaos`: faults everywhere at once, and every promise kept."""

import asyncio
import os
import random
from pathlib import Path

import pytest

from tests.chaos.program import chaos

MINUTES = float(os.environ.get("APPHUB_CHAOS_MINUTES", "0.7"))
"""`make chaos` goes on for longer."""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_is_lost_or_done_twice_whatever_happens(tmp_path: Path) -> None:
    seed = random.randrange(1_000_000)
    print("seed", seed)
    tally = asyncio.run(chaos(tmp_path / "chaos", seed, MINUTES, kills=0))
    print(tally.show())
    assert tally.is_clean, tally.show()
