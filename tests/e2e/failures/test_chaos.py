"""A short round of `make chaos`: faults everywhere at once, and every promise kept."""

import asyncio
import os
import random
from pathlib import Path

import pytest

from tests.chaos.program import chaos
from tests.chaos.waits import LOST, STARTED, Fleet, Life, RunEvent, Shares, Wait

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


ENDED = "job_run.succeeded"

FREE, LIMITED, KEYED = (Shares("free"), Shares("limited", at_most=1), Shares("k", key="a"))

LIVES = [Life("dead", 1, 0.0, 10.0), Life("alive", 1, 0.0, 99.0)]


@pytest.mark.parametrize(
    ("own", "other", "others_worker", "for_a_slot_s", "for_its_share_s"),
    [
        pytest.param(FREE, FREE, None, 0.0, 0.0, id="nobody else runs"),
        pytest.param(FREE, FREE, "alive", 3.0, 0.0, id="the only slot is taken"),
        pytest.param(FREE, FREE, "dead", 0.0, 0.0, id="a slot of the dead is taken"),
        pytest.param(LIMITED, LIMITED, "dead", 0.0, 3.0, id="the job's limit"),
        pytest.param(KEYED, KEYED, "dead", 0.0, 3.0, id="the key is taken"),
        pytest.param(LIMITED, FREE, "dead", 0.0, 0.0, id="others have no limit"),
    ],
)
def test_time_without_room_for_a_run_is_told_from_delay(
    own: Shares,
    other: Shares,
    others_worker: str | None,
    for_a_slot_s: float,
    for_its_share_s: float,
) -> None:
    received = [RunEvent(9.0, "run", STARTED, "dead"), RunEvent(16.0, "run", LOST, None, 17.0)]
    if others_worker is not None:
        received.append(RunEvent(16.5, "other", STARTED, others_worker))
        received.append(RunEvent(20.0, "other", ENDED))
    received.append(RunEvent(21.0, "run", STARTED, "alive"))
    shares = {"run": own, "other": other}
    [wait] = Fleet(LIVES, shares, {"dead": 10.0}).walk(received)
    assert wait == Wait(6.0, 11.0, for_a_slot_s, for_its_share_s)
