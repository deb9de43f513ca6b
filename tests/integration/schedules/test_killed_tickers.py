"""`kill -9` of whoever decides ticks: none is lost, none comes twice."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from domain.commands.schedules import Schedules
from domain.identifiers import schedule_id
from domain.schedules.calendar import ScheduleSpec
from eventlog.database.connection import Database
from eventlog.rebuild.differences import Difference
from eventlog.rebuild.verify import verify
from projections.tables import TABLES
from tests import ROOT
from tests.support.logs import TESTER, parts, query, registered
from tests.support.processes import eventually

KILLS = int(os.environ.get("APPHUB_TICK_KILLS", "2"))
"""With 20 and more ticks a life this is what schedules must stand."""

TICKS_A_LIFE = int(os.environ.get("APPHUB_TICKS_A_LIFE", "40"))

SPEED = 60
"""How much faster clocks go, so that a schedule of seconds has as many ticks in each of ours."""

NAMES = ("one", "two")

DECIDED = """
    SELECT event->>'due_at', (event->>'ticks')::integer, event->>'run_id'
    FROM jobs_events, LATERAL (SELECT convert_from(state, 'UTF8')::jsonb) AS read (event)
    WHERE originator_id = %s AND topic LIKE 'schedule.tick_%%' ORDER BY notification_id
"""


@contextmanager
def two_tickers(url: str, begun_s: float) -> Iterator[None]:
    """Let two processes tick, and kill them."""
    command = [sys.executable, "-m", "tests.integration.schedules.ticking_program"]
    arguments = [url, str(begun_s), str(SPEED)]
    processes = [subprocess.Popen([*command, *arguments], cwd=ROOT) for _ in range(2)]
    try:
        yield
    finally:
        random.shuffle(processes)
        for process in processes:
            process.kill()
            process.wait()


def decided(url: str, name: str) -> list[tuple[float, str | None]]:
    """Return when each tick was due, in seconds since 1970, and its run.

    Ticks in a row that were skipped, for a thousand runs have not ended, are one event.
    """
    decisions: list[tuple[float, str | None]] = []
    for due_at, ticks, run_id in query(url, DECIDED, schedule_id(name)):
        first_s = datetime.fromisoformat(due_at).timestamp()
        decisions += [(first_s + number, run_id) for number in range(ticks or 1)]
    return decisions


async def test_no_tick_is_lost_and_none_comes_twice_however_tickers_die(database_url: str) -> None:
    begun_s = time.time()
    async with parts(database_url) as part:
        await registered(part.jobs)
        begun = datetime.fromtimestamp(begun_s, UTC)
        part.jobs.clock = lambda: begun
        for name in NAMES:
            spec = ScheduleSpec(
                job="job", every_ms=1_000, overlap="allow_all", catch_up_ms=86_400_000
            )
            await Schedules(part.jobs).create(name, spec, TESTER)
    for life in range(1, KILLS + 1):
        with two_tickers(database_url, begun_s):
            enough = life * TICKS_A_LIFE + random.randint(0, TICKS_A_LIFE)
            eventually(
                lambda enough=enough: len(decided(database_url, "one")) >= enough,
                what="ticks being decided",
            )
    for name in NAMES:
        ticks = decided(database_url, name)
        due = [due_s for due_s, _ in ticks]
        assert due == [due[0] + number for number in range(len(due))]
        assert 0 < due[0] - begun_s <= 1
        launched = {run_id for _, run_id in ticks if run_id is not None}
        rows = query(
            database_url,
            "SELECT id::text FROM job_runs WHERE requested_by = %s",
            f"schedule:{name}",
        )
        assert {run_id for (run_id,) in rows} == launched
    found_wrong: list[Difference] = []
    database = Database(database_url)
    await verify(database, TABLES, found_wrong.append, lambda *_: None)
    assert found_wrong == []
