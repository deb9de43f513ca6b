"""`kill -9` of whoever goes on with a bulk operation: each run is repeated, and none twice."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from uuid import UUID

import pytest

from domain.bulk import Order
from domain.commands.bulk import BulkOperations
from domain.jobs.launching import Launch
from eventlog.database.connection import Database
from eventlog.history.as_of import PastRunSelector
from eventlog.rebuild.differences import Difference
from eventlog.rebuild.verify import verify
from projections.tables import TABLES
from tests import ROOT
from tests.support.logs import TESTER, parts, query, registered
from tests.support.processes import eventually
from tests.support.sample_logs.promises import keep

RUNS = int(os.environ.get("APPHUB_BULK_RUNS", "600"))

KILLS = int(os.environ.get("APPHUB_BULK_KILLS", "2"))

AGAIN = "SELECT context->>'retryOf' FROM job_runs WHERE context ? 'retryOf'"

DONE = "SELECT done + refused, status FROM bulk_operations"


@contextmanager
def two_workers(url: str) -> Iterator[None]:
    """Let two processes go on, and kill them."""
    command = [sys.executable, "-m", "tests.integration.bulk.bulk_program", url]
    processes = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def has_done(url: str, runs: int) -> bool:
    [(done, _)] = query(url, DONE)
    return bool(done >= runs)


@pytest.mark.slow
async def test_each_run_is_repeated_once_however_often_those_die_who_do_it(
    database_url: str,
) -> None:
    async with parts(database_url) as part:
        await registered(part.jobs)
        await part.worker("w")
        ended: list[UUID] = []
        for _ in range(RUNS):
            launched = await part.jobs.launch("job", Launch(delay_ms=60_000), TESTER)
            ended.append(launched.run_id)
        operations = BulkOperations(part.jobs, PastRunSelector(part.pool, part.files))
        for run_id in ended:
            await part.jobs.cancel(run_id, None, TESTER)
        order = Order(action="retry", filter=["status=canceled"], reason="again")
        await operations.start(order, TESTER)
    for life in range(1, KILLS + 1):
        with two_workers(database_url):
            some = RUNS * life // (KILLS + 1)
            eventually(partial(has_done, database_url, some), what="some runs")
    with two_workers(database_url):
        eventually(lambda: query(database_url, DONE) == [(RUNS, "completed")], what="the rest")
    again = Counter(old for (old,) in query(database_url, AGAIN))
    assert again == Counter(map(str, ended))
    differences: list[Difference] = []
    await verify(Database(database_url), TABLES, differences.append, lambda *_: None)
    assert differences == []
    await keep(Database(database_url))
