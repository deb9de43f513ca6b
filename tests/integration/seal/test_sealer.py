"""The sealer: bounded lag, one at a time, through gaps and crashes, never in an append's way."""

import asyncio
import os
import random
import subprocess
import sys
import threading
from contextlib import AsyncExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from domain.jobs.launching import Launch
from eventlog import encoding as columns
from eventlog.database import sql
from eventlog.database.connection import Database
from eventlog.database.listener import Listener
from eventlog.seal import seal as seal_statements
from eventlog.seal.sealer import MAX_EVENTS, MAX_SEALS, Sealer
from runtime.tasks import Supervision
from tests.support.logs import TESTER, parts, query, registered
from tests.support.processes import eventually
from tests.support.sample_logs.seals import SealedLog, edit, pool, sealer, unsealed
from tests.support.slow import slow

KILLS = int(os.environ.get("APPHUB_CRASH_ROUNDS", "2"))
"""`make crash` kills much more often."""


@pytest.fixture
def log(database_url: str, tmp_path: Path) -> SealedLog:
    return SealedLog(database_url, tmp_path)


def test_every_column_of_the_log_is_sealed(database_url: str) -> None:
    names = query(
        database_url,
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'jobs_events'",
    )
    assert {name for (name,) in names} == set(columns.BINARY_FORMS)


VALUES = r"""
    UPDATE jobs_events SET originator_version = CASE WHEN n % 3 = 0 THEN -1 ELSE 9000000000 END,
        topic = (ARRAY['', 'job_run.started', 'äöü€😀', repeat('t', 3000)])[1 + n % 4],
        state =
            (ARRAY[''::bytea, '\x00ff00'::bytea, decode(repeat('ab', 70000), 'hex')])[1 + n % 3],
        recorded_at = (ARRAY['infinity', '-infinity', '1999-12-31 23:59:59.999999+00',
                             '2026-11-24 12:00:00.000001+00'])[1 + n % 4]::timestamptz,
        actor = (ARRAY[NULL, '', 'somebody', 'ключ'])[1 + n % 4],
        correlation_id = (ARRAY[NULL, gen_random_uuid()])[1 + n % 2],
        causation_id = (ARRAY[gen_random_uuid(), NULL, NULL])[1 + n % 3]
    FROM (
        SELECT notification_id AS position, notification_id::int AS n FROM jobs_events
    ) AS numbered
    WHERE notification_id = position
"""
"""All combinations of what columns may hold, the odd things included."""


@pytest.mark.parametrize("encoding", ["UTF8", "LATIN1"])
async def test_the_server_hashes_exactly_what_is_checked_later(
    log: SealedLog, encoding: str
) -> None:
    log.append(40)
    edit(log.url, VALUES, "UPDATE jobs_events SET notification_id = -7 WHERE notification_id = 3")
    strange = SealedLog(make_conninfo(log.url, client_encoding=encoding), log.directory)
    await strange.seal()
    report = await strange.verify()
    assert (report.clean, report.events, report.unsealed) == (True, 40, 0)
    assert query(log.url, "SELECT runs FROM log_seals") == [([-7, -7, 1, 2, 4, 40],)]


async def test_seals_can_only_be_appended(log: SealedLog) -> None:
    log.append(3)
    await log.seal()
    for statement in (
        "UPDATE log_seals SET size = 1",
        "DELETE FROM log_seals",
        "TRUNCATE log_seals",
    ):
        with (
            psycopg.connect(log.url) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement)


async def test_what_is_appended_is_sealed_by_itself(log: SealedLog) -> None:
    listener, supervision = Listener(Database(log.url)), Supervision()
    async with AsyncExitStack() as stack:
        connections = await stack.enter_async_context(pool(log.url))
        part = await stack.enter_async_context(parts(log.url))
        for one in (listener, Sealer(connections, None, listener.signal(), log.how)):
            await one.start(supervision)
            stack.push_async_callback(one.stop)
        slug = await registered(part.jobs)
        for _ in range(3):
            await asyncio.gather(*(part.jobs.launch(slug, Launch(), TESTER) for _ in range(20)))
            while await asyncio.to_thread(unsealed, log.url):
                await asyncio.sleep(0.02)
        # The last events are sealed on the way out, without waiting for a turn.
        await part.jobs.launch(slug, Launch(), TESTER)
    assert unsealed(log.url) == 0
    report = await log.verify(log.how.head_file)
    assert report.clean
    assert report.seals > 2


async def test_a_backlog_is_sealed_in_pieces(log: SealedLog) -> None:
    log.append(MAX_EVENTS * (MAX_SEALS + 1) + 1)

    async with sealer(log.url, log.how) as one:
        assert [await one.cycle() for _ in range(3)] == [True, False, False]
    sizes = query(log.url, "SELECT length(leaves) / 32 FROM log_seals ORDER BY number")
    assert sizes == [(MAX_EVENTS,)] * (MAX_SEALS + 1) + [(1,)]
    assert (await log.verify(log.how.head_file)).clean


async def test_several_sealers_make_one_chain_of_seals(log: SealedLog) -> None:
    async with AsyncExitStack() as stack:
        sealers = [await stack.enter_async_context(sealer(log.url, log.how)) for _ in range(4)]
        for count in range(1, 12):
            await asyncio.to_thread(log.append, count)
            await asyncio.gather(*(one.cycle() for one in sealers))
        await sealers[0].cycle()
    assert unsealed(log.url) == 0
    report = await log.verify(log.how.head_file)
    assert (report.clean, report.events) == (True, 66)
    assert query(log.url, "SELECT count(*) FROM log_seals") == [(report.seals,)]


async def test_while_one_process_seals_the_others_do_not(log: SealedLog) -> None:
    log.append(3)
    with psycopg.connect(log.url) as connection:
        connection.execute(f"SELECT pg_advisory_xact_lock({seal_statements.SEAL_LOCK})")
        await log.seal()
        assert unsealed(log.url) == 3
    await log.seal()
    assert unsealed(log.url) == 0


async def test_sealing_needs_no_append_lock_and_stops_no_append(log: SealedLog) -> None:
    log.append(3)
    with psycopg.connect(log.url) as holder:
        holder.execute(sql.BEGIN_LOCKED)
        await log.seal()
        assert unsealed(log.url) == 0
    with psycopg.connect(log.url) as inserter:
        inserter.execute("LOCK TABLE log_seals IN ACCESS EXCLUSIVE MODE")
        log.append(2)
    assert unsealed(log.url) == 2


async def test_an_append_that_is_under_way_is_sealed_once_it_is_there(log: SealedLog) -> None:
    log.append(2)
    with psycopg.connect(log.url) as held:
        held.execute(
            "INSERT INTO jobs_events (originator_id, originator_version, topic, state)"
            " VALUES (gen_random_uuid(), 1, 'job_run.handed_back', '{}')"
        )
        await log.seal()
        assert query(log.url, "SELECT max(position) FROM log_seals") == [(2,)]
    log.append(1)
    await log.seal()
    assert query(log.url, "SELECT runs FROM log_seals ORDER BY number") == [([1, 2],), ([3, 4],)]
    assert (await log.verify()).clean


async def test_the_log_stays_clean_while_events_are_appended(log: SealedLog) -> None:
    over = threading.Event()

    def append() -> None:
        while not over.is_set():
            log.append(random.randint(1, 40), roll_back=random.random() < 0.3)

    def seal() -> None:
        while not over.is_set():
            asyncio.run(log.seal())  # Another sealer each time, as in another process.

    log.append(1)
    await log.seal()
    threads = [threading.Thread(target=append) for _ in range(2)] + [threading.Thread(target=seal)]
    for thread in threads:
        thread.start()
    try:
        reports = [await log.verify(log.how.head_file)]
        while len(reports) < 10 or reports[-1].seals < reports[0].seals + 5:
            reports.append(await log.verify(log.how.head_file))
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert [report.findings for report in reports] == [[]] * len(reports)


@pytest.mark.parametrize("kills", [KILLS, slow(8)])
async def test_kill_9_at_random_moments_leaves_a_chain_that_goes_on(
    log: SealedLog, kills: int
) -> None:
    over = threading.Event()

    def append() -> None:
        while not over.wait(0.005):
            log.append(random.randint(1, 30), roll_back=random.random() < 0.2)

    thread = threading.Thread(target=append)
    thread.start()
    seals = 0
    try:
        for _ in range(kills):
            sealing = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.support.sample_logs.sealing",
                    log.url,
                    str(log.directory),
                ]
            )
            try:
                enough = seals + random.randint(1, 12)
                seals = eventually(
                    lambda enough=enough: _seals(log.url, enough), what="seals being made"
                )
            finally:
                sealing.kill()
                sealing.wait()
    finally:
        over.set()
        thread.join()
    await log.seal()
    assert unsealed(log.url) == 0
    assert (await log.verify(log.how.head_file)).clean


def _seals(url: str, at_least: int) -> int:
    [(count,)] = query(url, "SELECT count(*) FROM log_seals")
    return int(count) if count >= at_least else 0
