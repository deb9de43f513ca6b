"""Who waits for the writer is taken in batches that suit those who ask again at once."""

import asyncio
from uuid import uuid4

import pytest
from eventsourcing.persistence import StoredEvent

from domain.errors import OverloadedError
from domain.ports import Locked, Origin, Saved, Unit
from eventlog.append import writer
from eventlog.append.transaction import Request
from eventlog.append.writer import MIN_BATCH, DelayedAnswers, RequestQueue, Waiting

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


async def first_batch_size(queue: RequestQueue, *requests: Request) -> int:
    """Return the size of the next batch when these requests reach an idle writer."""
    next_batch = asyncio.create_task(queue.next_batch())
    await asyncio.sleep(0)
    for request in requests:
        queue.put(request)
    batch = await next_batch
    queue.release(batch)
    return len(batch)


@pytest.mark.parametrize(
    ("callers", "first"), [(1, 1), (16, 16), (20, 16), (64, 32), (300, 150), (1_000, 256)]
)
async def test_half_of_the_requests_to_an_idle_writer_begin(callers: int, first: int) -> None:
    assert await first_batch_size(RequestQueue(), *(ready() for _ in range(callers))) == first


async def test_all_that_waited_for_a_batch_make_the_next() -> None:
    queue = RequestQueue()
    assert await first_batch_size(queue, *(ready() for _ in range(64))) == 32
    for _ in range(8):
        queue.put(ready())
    assert len(await queue.next_batch()) == 40


async def test_a_second_decision_begins_the_next_batch() -> None:
    queue = RequestQueue()
    requests = [ready(), deciding(), ready(), deciding(), ready()]
    assert await first_batch_size(queue, *requests) == 3
    assert not queue.is_empty
    assert [request for request, _ in await queue.next_batch()] == requests[3:]
    assert queue.is_empty


async def test_a_second_decision_fails_with_all_that_waits() -> None:
    queue = RequestQueue()
    futures = [queue.put(request) for request in (deciding(), deciding(), ready())]
    await queue.next_batch()
    queue.fail_waiting(OverloadedError("stopped"))
    assert [future.done() for future in futures] == [False, True, True]
    for future in futures[1:]:
        assert isinstance(future.exception(), OverloadedError)


async def test_the_queue_refuses_more_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MAX_WAITING", 2)
    queue = RequestQueue()
    queue.put(ready())
    queue.put(ready())
    with pytest.raises(OverloadedError):
        queue.put(ready())


def committed(number: int = MIN_BATCH) -> list[Waiting]:
    """Return this number of saved requests that wait for their answers."""
    saved: list[Waiting] = []
    for position in range(number):
        request = ready()
        request.outcome = Saved((position,))
        saved.append((request, asyncio.get_running_loop().create_future()))
    return saved


def answered(saved: list[Waiting]) -> list[bool]:
    """Return for each whether it has its own answer."""
    return [future.done() and future.result() is request.outcome for request, future in saved]


async def test_answers_are_delayed_until_the_next_batch_is_on_its_way() -> None:
    delayed = DelayedAnswers()
    saved = committed()
    delayed.answer(saved, others_wait=True)
    assert not any(answered(saved))
    delayed.deliver()
    assert all(answered(saved))


@pytest.mark.parametrize(("number", "others_wait"), [(MIN_BATCH, False), (MIN_BATCH - 1, True)])
async def test_answers_come_at_once_where_a_delay_is_no_gain(
    *, number: int, others_wait: bool
) -> None:
    saved = committed(number)
    DelayedAnswers().answer(saved, others_wait=others_wait)
    assert all(answered(saved))


async def test_answers_are_delayed_by_one_batch_only() -> None:
    delayed = DelayedAnswers()
    first, second = committed(), committed()
    delayed.answer(first, others_wait=True)
    delayed.answer(second, others_wait=True)
    assert all(answered(first))
    assert not any(answered(second))


async def test_answers_come_though_no_batch_follows() -> None:
    saved = committed()
    DelayedAnswers().answer(saved, others_wait=True)
    async with asyncio.timeout(ENOUGH_S):
        await asyncio.wait([future for _, future in saved])
    assert all(answered(saved))
