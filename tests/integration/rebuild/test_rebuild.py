"""A rebuild mends what is wrong while the service works, and may be killed at any moment."""

import asyncio
import os
import random
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from uuid import UUID

import httpx
import psycopg
import pytest

from domain.jobs.launching import Launch
from eventlog.database import sql
from eventlog.database.connection import IDLE_IN_TRANSACTION_MS, Database
from eventlog.rebuild.differences import Difference
from eventlog.rebuild.verify import verify
from projections.tables import TABLES
from tests.support.logs import TESTER, parts, query
from tests.support.processes import MIN_PAUSE_S, Process, eventually, started
from tests.support.sample_logs.big_logs import fill, sabotage
from tests.support.sample_logs.reading_load import Load

RUNS = int(os.environ.get("APPHUB_REBUILD_RUNS", "15000"))
"""`make rebuild-check` takes half a million: a million events."""

SPOILED = int(os.environ.get("APPHUB_REBUILD_SPOILED", "200"))

LAUNCHES_A_SECOND = float(os.environ.get("APPHUB_REBUILD_LAUNCHES", "20"))

MIN_LAUNCHES, MIN_READS = 10, 50

MAX_HOLD_MS = float(os.environ.get("APPHUB_REBUILD_HOLD_MS", "inf"))
"""50 is the goal, on a machine that has a processor to spare for the rebuild and one for the
server. Where other tests run, too, a hold takes as long as they let it."""

REBUILD = ("projections", "rebuild", "job_runs")


WHOLE = """
    SELECT originator_id FROM jobs_events
    WHERE topic = 'job_run.requested' AND originator_id <> ALL(%s) ORDER BY originator_id LIMIT 1000
"""


WRITERS = "SELECT count(DISTINCT xmin::text) FROM job_runs WHERE id = ANY(%s)"


async def find(url: str) -> list[Difference]:
    differences: list[Difference] = []
    await verify(Database(url), TABLES, differences.append, lambda *_: None)
    return differences


@contextmanager
def rebuilding(url: str, tmp_path: Path, name: str = "job_runs") -> Iterator[Process]:
    arguments = ("projections", "rebuild", name, "--data-dir", str(tmp_path / "rebuild"))
    with started(*arguments, APPHUB_DATABASE_URL=url) as process:
        yield process


HOLDS = """
    SELECT virtualtransaction FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND application_name LIKE 'apphub-jobs rebuild%%'
        AND classid::bigint << 32 | objid::bigint = %s
"""


class _Holds:
    """Watches from the server how long the rebuild's transactions hold the append lock."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._over = threading.Event()
        self.transactions: dict[str, float] = {}
        self.longest_ms = 0.0

    def _watch(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._over.wait(0.005):
                for (transaction,) in connection.execute(HOLDS, (sql.APPEND_LOCK,)).fetchall():
                    first = self.transactions.setdefault(transaction, monotonic())
                    self.longest_ms = max(self.longest_ms, (monotonic() - first) * 1000)

    @contextmanager
    def watching(self) -> Iterator[None]:
        thread = threading.Thread(target=self._watch)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()


@pytest.mark.slow
async def test_all_sabotaged_rows_are_mended_under_load(database_url: str, tmp_path: Path) -> None:
    await fill(database_url, RUNS)
    spoiled = sabotage(database_url, SPOILED)
    whole = [row[0] for row in query(database_url, WHOLE, spoiled)]
    serve = ("serve", "--port", "0", "--data-dir", str(tmp_path / "data"))

    async def scenario(url: str, rebuild: Process) -> Load:
        async with (
            parts(database_url) as part,
            httpx.AsyncClient(base_url=url, timeout=90) as client,
        ):
            load = Load(part, client, "job", LAUNCHES_A_SECOND)
            async with asyncio.TaskGroup() as group:
                group.create_task(load.launch())
                group.create_task(load.read(whole, spoiled))
                await asyncio.to_thread(rebuild.popen.wait)
                for run_id in spoiled[:50]:
                    assert (await load.look(run_id))[0]
                while len(load.launched) <= MIN_LAUNCHES or load.reads <= MIN_READS:
                    await asyncio.sleep(0.05)
                load.end()
            return load

    holds = _Holds(database_url)
    with started(*serve, APPHUB_DATABASE_URL=database_url) as api:
        address = api.url()
        with holds.watching(), rebuilding(database_url, tmp_path) as rebuild:
            load = await scenario(address, rebuild)
    output = "\n".join(rebuild.lines)
    assert rebuild.popen.returncode == 0, rebuild.errors
    mended, printed_ms = _told(output)
    # A row under a wrong id is two: one that is missing and one that should not be there.
    assert mended == SPOILED + len(spoiled[3::4])
    rate = len(load.launched) / load.took_s
    print(
        f"{output}\n{rate:.0f} launches/s for {load.took_s:.0f} s,"
        f" {load.reads} reads compared with the log"
    )
    print(f"longest hold seen by another session: {holds.longest_ms:.1f} ms")
    # Who looks from outside may see none of them; the rows tell who has written them.
    assert printed_ms > 0
    assert _writers(database_url, spoiled) > 1
    assert max(printed_ms, holds.longest_ms) < MAX_HOLD_MS
    assert await find(database_url) == []


def _writers(url: str, run_ids: list[UUID]) -> int:
    """Return how many transactions have written these rows last."""
    [(number,)] = query(url, WRITERS, run_ids)
    return int(number)


def _told(message: str) -> tuple[int, float]:
    match = re.search(
        r"job_runs: (\d+) rows repaired, longest hold of the append lock ([\d.]+) ms", message
    )
    assert match is not None, message
    return int(match[1]), float(match[2])


KILLS = int(os.environ.get("APPHUB_REBUILD_KILLS", "3"))

AT_WORK = "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'apphub-jobs rebuild%%'"

LEFT = "SELECT count(*) FROM pg_class WHERE relpersistence = 't'"


@pytest.mark.slow
async def test_killed_at_random_points_it_leaves_a_working_service_and_completes_when_run_again(
    database_url: str, tmp_path: Path
) -> None:
    runs = 3_000 * KILLS
    await fill(database_url, runs, time_ordered=False)
    spoiled = set(map(str, sabotage(database_url, runs // 3)))
    launched = 0

    async def launch() -> None:
        async with parts(database_url) as part:
            run_id = (await part.jobs.launch("job", Launch(delay_ms=3_600_000), TESTER)).run_id
            await part.jobs.cancel(run_id, None, TESTER)

    left = len(await find(database_url))
    for number in range(KILLS):
        # The first is killed while it folds, the others while they mend.
        enough = random.randrange(left * 3 // 4, left + 1) if number else left
        with rebuilding(database_url, tmp_path) as rebuild:
            eventually(lambda: query(database_url, AT_WORK) or rebuild.popen.poll() is not None)
            eventually(
                lambda: (
                    _still_spoiled(database_url) <= enough  # noqa: B023
                    or rebuild.popen.poll() is not None
                ),
                longest_pause_s=MIN_PAUSE_S,  # It is to be killed at this very point.
            )
            # Wherever it stops, it holds the append lock for nobody: what is sent to the server
            # ends without it, and long before the server would end an idle transaction.
            rebuild.popen.send_signal(signal.SIGSTOP)
            released = IDLE_IN_TRANSACTION_MS / 1000 - 1
            eventually(
                lambda: query(database_url, HOLDS, sql.APPEND_LOCK) == [],
                released,
                "the lock's release",
            )
            await launch()
            rebuild.kill_all()
        await launch()
        launched += 2
        differences = await find(database_url)
        assert {one.key for one in differences if one.kind != "extra"} <= spoiled
        left, before = len(differences), left
        assert left <= before
    with rebuilding(database_url, tmp_path) as rebuild:
        assert rebuild.popen.wait(60) == 0, rebuild.errors
    assert _told("\n".join(rebuild.lines))[0] == left
    assert await find(database_url) == []
    assert query(database_url, "SELECT count(*) FROM job_runs") == [(runs + launched,)]
    eventually(lambda: query(database_url, LEFT) == [(0,)], what="the end of all temporary tables")


def _still_spoiled(url: str) -> int:
    return (
        int(query(url, "SELECT count(*) FROM job_runs WHERE error_message = 'sabotaged'")[0][0]) * 4
    )


WAITS = """
    SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND NOT granted AND application_name LIKE 'apphub-jobs rebuild%%'
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_rebuild_that_is_stopped_while_it_waits_for_its_turn_says_so_and_ends(
    database_url: str, tmp_path: Path, number: signal.Signals
) -> None:
    await fill(database_url, 100)
    sabotage(database_url, 8)
    with psycopg.connect(database_url) as holder, rebuilding(database_url, tmp_path) as rebuild:
        holder.execute(sql.LOCK.encode())
        eventually(lambda: query(database_url, WAITS), what="the rebuild's waiting")
        assert rebuild.stop(number) == 128 + number
    assert "stopped; nothing is half done" in rebuild.errors[-1]
    assert len(await find(database_url)) == 10
