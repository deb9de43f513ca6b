"""No reader passes over an event, whatever commits late."""

import asyncio
from uuid import uuid4

import psycopg

from domain.jobs.launching import Launch
from tests.support.logs import TESTER, Parts, parts, registered

RAW_INSERT = (
    "INSERT INTO jobs_events (originator_id, originator_version, topic, state)"
    " VALUES (%s, 1, 'job_run.handed_back', %s) RETURNING notification_id"
)
STATE = b'{"timestamp":"2026-11-24T00:00:00.000Z","worker_id":"w","execution":1}'


async def _held_insert(url: str) -> tuple["psycopg.AsyncConnection[tuple[int]]", int]:
    """Insert an event and leave its transaction open; return the connection and the position."""
    connection = await psycopg.AsyncConnection[tuple[int]].connect(url)
    await connection.execute("SET idle_in_transaction_session_timeout = 0")
    cursor = await connection.execute(RAW_INSERT, (uuid4(), STATE))
    row = await cursor.fetchone()
    assert row is not None
    return connection, row[0]


async def _waiting_appends(part: Parts) -> int:
    async with part.pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        )
        row = await cursor.fetchone()
    return 0 if row is None else int(row["n"])


async def test_while_an_append_is_open_no_later_one_becomes_visible(
    database_url: str, part: Parts
) -> None:
    slug = await registered(part.jobs)
    head = await part.reader.head()
    held, position = await _held_insert(database_url)
    launches = [asyncio.create_task(part.jobs.launch(slug, Launch(), TESTER)) for _ in range(20)]
    while await _waiting_appends(part) == 0:
        await asyncio.sleep(0.01)
    assert await part.reader.after(head) == []
    assert not any(launch.done() for launch in launches)
    await held.commit()
    await held.close()
    await asyncio.gather(*launches)
    events = await part.reader.after(head)
    assert [event.position for event in events] == sorted(event.position for event in events)
    assert events[0].position == position
    assert len(events) == 21


async def test_without_the_ordering_trigger_the_same_reader_would_pass_over_an_event(
    database_url: str, part: Parts
) -> None:
    """Shows that the test above can fail: this is what the trigger and the lock are for."""

    async with part.pool.connection() as connection:
        await connection.execute("ALTER TABLE jobs_events DISABLE TRIGGER jobs_events_order")
    head = await part.reader.head()
    held, position = await _held_insert(database_url)
    other, later = await _held_insert(database_url)
    await other.commit()
    await other.close()
    assert later > position
    assert [event.position for event in await part.reader.after(head)] == [later]
    await held.commit()
    await held.close()
    assert await part.reader.after(later) == []


async def test_a_follower_sees_every_event_once_and_in_order_while_many_write(
    database_url: str,
) -> None:
    async with parts(database_url) as one, parts(database_url) as two:
        slug = await registered(one.jobs)
        for part in (one, two):  # From now on both remember the definition.
            await part.jobs.launch(slug, Launch(), TESTER)
        head = await one.reader.head()
        launches = [
            asyncio.create_task(part.jobs.launch(slug, Launch(), TESTER))
            for _ in range(150)
            for part in (one, two)
        ]
        seen: list[int] = []
        while len(seen) < len(launches) and not any(
            one.done() and one.exception() for one in launches
        ):
            seen += [
                event.position
                for event in await two.reader.after(seen[-1] if seen else head, limit=7)
            ]
        await asyncio.gather(*launches)
        assert seen == [event.position for event in await one.reader.after(head)]
        assert seen == sorted(set(seen))
