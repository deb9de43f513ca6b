"""Maintenance of the log does not hinder launches: no long wait for a lock, no deadlock."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import psycopg
import pytest

from domain.jobs.launching import Launch
from tests.support.logs import TESTER, parts, query, registered

EVENTS = 300_000

MAX_WAIT_S = 0.5

MAINTENANCE = (
    "VACUUM jobs_events",
    "VACUUM (FREEZE, INDEX_CLEANUP ON) jobs_events",
    "ANALYZE jobs_events",
    "CREATE INDEX CONCURRENTLY by_topic ON jobs_events (topic, notification_id)",
    "REINDEX INDEX CONCURRENTLY by_topic",
    "DROP INDEX CONCURRENTLY by_topic",
)

FILL = """
    INSERT INTO jobs_events (originator_id, originator_version, topic, state)
    SELECT gen_random_uuid(), 1, 'job_run.handed_back', convert_to(
        '{"timestamp":"2026-11-24T00:00:00.000Z","worker_id":"w","execution":1,"filler":"'
            || repeat('x', 200) || '"}',
        'UTF8')
    FROM generate_series(1, %s)
"""

WAITING = """
    SELECT pid FROM pg_locks WHERE NOT granted AND pid IN (
        SELECT pid FROM pg_stat_activity
        WHERE application_name = 'the writer' AND datname = current_database())
"""


class _Observer:
    """Measures how long the writer's session waits for a lock, as the server itself sees it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._over = threading.Event()
        self.longest_s = 0.0
        self.looks = 0

    def run(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            waiting_since: float | None = None
            while not self._over.wait(0.002):
                waits = bool(connection.execute(WAITING).fetchall())
                now = monotonic()
                self.looks += 1
                waiting_since = (waiting_since or now) if waits else None
                if waiting_since is not None:
                    self.longest_s = max(self.longest_s, now - waiting_since)

    @contextmanager
    def observing(self) -> Iterator[None]:
        thread = threading.Thread(target=self.run)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()


@pytest.mark.slow
async def test_vacuum_analyze_and_new_indexes_block_no_launch(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(FILL, (EVENTS,))
    observer = _Observer(database_url)

    async def launch_until(over: threading.Event) -> int:
        writer_url = f"{database_url} application_name='the writer'"
        async with parts(database_url, writer_url=writer_url) as part:
            slug = await registered(part.jobs)
            launched = 0
            while not over.is_set():
                await asyncio.gather(*(part.jobs.launch(slug, Launch(), TESTER) for _ in range(4)))
                launched += 4
            return launched

    over = threading.Event()

    def maintain() -> None:
        try:
            for statement in MAINTENANCE:
                with psycopg.connect(database_url, autocommit=True) as connection:
                    connection.execute(statement)
        finally:
            over.set()

    maintaining = threading.Thread(target=maintain)
    with observer.observing():
        maintaining.start()
        launched = await launch_until(over)
        maintaining.join()
    assert launched > 100
    assert observer.looks > 100
    assert observer.longest_s < MAX_WAIT_S
    assert query(
        database_url, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    ) == [(0,)]
    assert query(database_url, "SELECT count(*) FROM job_runs") == [(launched,)]
