"""Who waits for the writer is taken in batches that suit those who ask again at once."""

import asyncio
from uuid import uuid4

import pytest
from eventsourcing.persistence import StoredEvent

from domain.errors import OverloadedError
from domain.ports import Locked, Origin, Saved, Unit
from eventlog.append import writer
from eventlog.append.transaction import Request
from eventlog.append.writer import WORTH_A_COMMIT, HeldBack, Line, Waiting

ENOUGH_S = 10.0


def ready() -> Request:
    """Return a request whose event is there."""
    event = StoredEvent(uuid4(), 1, "job_run.requested", b"{}")
    return Request(Unit([event], Origin(actor="tester")))


def deciding() -> Request:
    """Return a request that decides under the lock."""

    async def decide(_: Locked) -> list[StoredEvent]:
        return []

    return Request(Unit((), Origin(actor="tester")), decide)


async def taken(line: Line, *requests: Request) -> list[int]:
    """Return how large the batches are that are taken as these come to a writer at rest."""
    taking = asyncio.create_task(line.take())
    await asyncio.sleep(0)
    for request in requests:
        line.join(request)
    batches = await taking
    for batch in batches:
        line.let_go(batch)
    return [len(batch) for batch in batches]


@pytest.mark.parametrize(
    ("callers", "first"), [(1, 1), (16, 16), (20, 16), (64, 32), (300, 150), (1_000, 256)]
)
async def test_half_of_those_begin_who_come_to_a_writer_at_rest(callers: int, first: int) -> None:
    assert await taken(Line(), *(ready() for _ in range(callers))) == [first]


async def test_all_that_waited_for_a_batch_make_the_next() -> None:
    line = Line()
    assert await taken(line, *(ready() for _ in range(64))) == [32]
    for _ in range(8):
        line.join(ready())
    [batch] = await line.take()
    assert len(batch) == 40


async def test_a_second_decision_has_a_batch_of_its_own() -> None:
    requests = [ready(), deciding(), ready(), deciding(), ready()]
    assert await taken(Line(), *requests) == [3, 1]


async def test_no_more_wait_than_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MAX_WAITING", 2)
    line = Line()
    line.join(ready())
    line.join(ready())
    with pytest.raises(OverloadedError):
        line.join(ready())


def committed(number: int = WORTH_A_COMMIT) -> list[Waiting]:
    """Return so many who wait for the answer to what is saved."""
    saved: list[Waiting] = []
    for position in range(number):
        request = ready()
        request.outcome = Saved((position,))
        saved.append((request, asyncio.get_running_loop().create_future()))
    return saved


def answered(saved: list[Waiting]) -> list[bool]:
    """Return for each whether it has its own answer."""
    return [future.done() and future.result() is request.outcome for request, future in saved]


async def test_answers_are_held_back_until_the_next_batch_is_on_its_way() -> None:
    held_back = HeldBack()
    saved = committed()
    held_back.answer(saved, others_wait=True)
    assert not any(answered(saved))
    held_back.tell()
    assert all(answered(saved))


@pytest.mark.parametrize(
    ("number", "others_wait"), [(WORTH_A_COMMIT, False), (WORTH_A_COMMIT - 1, True)]
)
async def test_where_nothing_is_won_they_come_at_once(*, number: int, others_wait: bool) -> None:
    saved = committed(number)
    HeldBack().answer(saved, others_wait=others_wait)
    assert all(answered(saved))


async def test_answers_are_not_held_back_for_the_batch_after_the_next() -> None:
    held_back = HeldBack()
    first, second = committed(), committed()
    held_back.answer(first, others_wait=True)
    held_back.answer(second, others_wait=True)
    assert all(answered(first))
    assert not any(answered(second))


async def test_answers_come_though_no_batch_follows() -> None:
    saved = committed()
    HeldBack().answer(saved, others_wait=True)
    async with asyncio.timeout(ENOUGH_S):
        await asyncio.wait([future for _, future in saved])
    assert all(answered(saved))
