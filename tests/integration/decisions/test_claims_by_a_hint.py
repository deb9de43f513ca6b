"""Who hears which run has come asks for it together with the lock, and claims what it may."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

import pytest

from domain.jobs.launching import Launch
from eventlog.database.pipeline import RoundTrip
from tests.support.logs import TESTER, Parts, registered


@contextmanager
def counted_trips() -> Iterator[list[RoundTrip]]:
    """Collect the round trips that are made meanwhile."""
    made: list[RoundTrip] = []
    send = RoundTrip.send

    async def counted(trip: RoundTrip) -> None:
        if trip._statements:
            made.append(trip)
        await send(trip)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(RoundTrip, "send", counted)
        yield made


async def _launched(part: Parts, slug: str, delay_ms: int | None = None) -> UUID:
    launched = await part.jobs.launch(slug, Launch(delay_ms=delay_ms), TESTER)
    return launched.run_id


async def _claimed(part: Parts, hint: UUID | None) -> tuple[list[UUID], int]:
    with counted_trips() as made:
        claims = await part.executions.claim("w", 4, expected_run=hint)
    return [claim.run.id for claim in claims], len(made)


async def test_a_right_hint_saves_a_round_trip(part: Parts) -> None:
    slug = await registered(part.jobs)
    await part.worker("w")
    # The first claim reads more: the whole queue, and what the job's version says.
    await _launched(part, slug)
    await _claimed(part, None)
    unheard = await _launched(part, slug)
    assert await _claimed(part, None) == ([unheard], 3)
    heard = await _launched(part, slug)
    assert await _claimed(part, heard) == ([heard], 2)


async def test_a_wrong_hint_changes_nothing(part: Parts) -> None:
    slug = await registered(part.jobs)
    await part.worker("w")
    later = await _launched(part, slug, delay_ms=60_000)
    assert (await _claimed(part, later))[0] == []
    assert (await _claimed(part, uuid4()))[0] == []
    first = await _launched(part, slug)
    second = await _launched(part, slug)
    assert (await _claimed(part, second))[0] == [first, second]
    assert (await _claimed(part, second))[0] == []
    third = await _launched(part, slug)
    assert (await _claimed(part, later))[0] == [third]
