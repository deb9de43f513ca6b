"""A supervised task is started again whenever it dies, for all to see, until it is told to end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from runtime.tasks import BackOff, ClockAndRandom, Supervised, Supervision

ENOUGH_S = 5.0

AT_ONCE = BackOff(initial_s=0.001, max_s=0.004)

NEVER_AGAIN = BackOff(initial_s=3_600.0, max_s=3_600.0)


class Clock:
    """Stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def supervision(clock: Clock) -> Supervision:
    return Supervision(ClockAndRandom(clock, lambda: 1.0))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(ENOUGH_S):
        while not condition():
            await asyncio.sleep(0.001)


def dying(*errors: Exception) -> Callable[[], Awaitable[None]]:
    """Return what dies of one error after the other, and then goes on for ever."""
    left = list(errors)

    async def run() -> None:
        if left:
            raise left.pop(0)
        await asyncio.Event().wait()

    return run


def status(task: Supervised) -> str:
    return task.state.status


async def test_what_dies_is_started_again_and_each_death_is_counted_and_told(
    supervision: Supervision, caplog: pytest.LogCaptureFixture
) -> None:
    errors = [KeyError("one"), ValueError("two")]
    task = supervision.start("duty", dying(*errors), AT_ONCE)
    await until(lambda: task.deaths == 2 and status(task) == "running")
    [state] = supervision.states()
    assert (state.name, state.last_error) == ("duty", "ValueError('two')")
    records = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in records] == [
        "background task duty died (deaths so far: 1); it starts again in 0.0 s",
        "background task duty died (deaths so far: 2); it starts again in 0.0 s",
    ]
    assert [record.exc_info[1] for record in records if record.exc_info] == errors
    await task.end()
    assert status(task) == "ended"


async def test_pauses_grow_until_the_task_has_run_well_for_a_while(
    clock: Clock, supervision: Supervision, caplog: pytest.LogCaptureFixture
) -> None:
    run_s = iter([0.0, 29.9, 0.0, 30.0, 0.0])

    async def run() -> None:
        clock.now += next(run_s)
        raise KeyError

    back_off = BackOff(initial_s=0.001, max_s=0.004, reset_after_s=30.0)
    task = supervision.start("duty", run, back_off)
    await until(lambda: task.deaths == 5)
    await task.end()
    pauses_s = [record.args[2] for record in caplog.records if isinstance(record.args, tuple)]
    assert pauses_s[:5] == [0.001, 0.002, 0.004, 0.001, 0.002]


async def test_what_backs_off_says_so_and_since_when_and_ends_at_once(
    clock: Clock, supervision: Supervision
) -> None:
    task = supervision.start("duty", dying(KeyError()), NEVER_AGAIN)
    await until(lambda: status(task) == "backing off")
    clock.now += 12.5
    assert task.state.status_s == 12.5
    async with asyncio.timeout(ENOUGH_S):
        await task.end()
    assert (status(task), task.state.status_s) == ("ended", 0.0)


async def test_what_backs_off_is_started_at_once_to_come_to_its_own_end(
    supervision: Supervision,
) -> None:
    stopping = False

    async def run() -> None:
        if not stopping:
            raise KeyError

    task = supervision.start("duty", run, NEVER_AGAIN)
    await until(lambda: status(task) == "backing off")
    stopping = True
    task.finish()
    async with asyncio.timeout(ENOUGH_S):
        await task.task
    assert (status(task), task.deaths) == ("ended", 1)


async def test_a_death_on_the_way_to_its_own_end_is_the_last(supervision: Supervision) -> None:
    task = supervision.start("duty", dying(KeyError(), ValueError()), NEVER_AGAIN)
    await until(lambda: status(task) == "backing off")
    task.finish()
    with pytest.raises(ValueError):
        await task.task
    assert (status(task), task.deaths) == ("ended", 2)


async def test_what_runs_ends_at_once(supervision: Supervision) -> None:
    cleaned_up = False

    async def run() -> None:
        nonlocal cleaned_up
        try:
            await asyncio.Event().wait()
        finally:
            cleaned_up = True

    task = supervision.start("duty", run)
    await asyncio.sleep(0)
    await task.end()
    assert cleaned_up
    assert (status(task), task.deaths) == ("ended", 0)


async def test_what_is_ended_before_it_began_has_ended(supervision: Supervision) -> None:
    task = supervision.start("duty", dying())
    await task.end()
    assert status(task) == "ended"


async def test_what_returns_has_ended_and_an_outcome_is_no_death(supervision: Supervision) -> None:
    async def done() -> None:
        pass

    task = supervision.start("duty", done)
    await task.task
    assert status(task) == "ended"
    other = supervision.start("other", dying(KeyError()), final_errors=(KeyError,))
    with pytest.raises(KeyError):
        await other.task
    assert (status(other), other.deaths) == ("ended", 0)


async def test_a_cancel_of_what_it_waits_for_does_not_end_it(supervision: Supervision) -> None:
    waited_for: list[asyncio.Future[None]] = []

    async def run() -> None:
        waited_for.append(asyncio.get_running_loop().create_future())
        await waited_for[-1]

    task = supervision.start("duty", run, AT_ONCE)
    await until(lambda: len(waited_for) == 1)
    waited_for[0].cancel()
    await until(lambda: len(waited_for) == 2)
    assert task.deaths == 1
    await task.end()


async def test_a_name_belongs_to_one_task_at_a_time_whose_deaths_go_on_counting(
    supervision: Supervision,
) -> None:
    first = supervision.start("duty", dying(KeyError()), AT_ONCE)
    await until(lambda: first.deaths == 1 and status(first) == "running")
    with pytest.raises(ValueError, match="runs already"):
        supervision.start("duty", dying())
    await first.end()
    second = supervision.start("duty", dying(KeyError()), AT_ONCE)
    await until(lambda: second.deaths == 2 and status(second) == "running")
    assert len(supervision.states()) == 1
    await second.end()
