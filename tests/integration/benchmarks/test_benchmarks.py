"""Every benchmark runs, at sizes whose figures say nothing; peers where they are installed."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from benchmarks.harness.load import by_python
from benchmarks.harness.machine import described
from benchmarks.harness.processes import python, ready_url, running
from benchmarks.harness.processors import ALL, API, HANDLERS, IDLE, POSTGRESQL, WORKER, meter
from benchmarks.harness.results import TINY, Bench, Row
from benchmarks.harness.systems import BODY, PATH
from benchmarks.harness.table import as_text
from benchmarks.rows import (
    backlog,
    canceling,
    claims,
    holding,
    launches,
    rebuilding,
    saves,
    starting_up,
    starts,
    streaming,
    ticking,
    together,
)
from tests.support.logs import query
from tests.support.processes import eventually
from tests.support.slow import slow

EXPECTED: dict[Callable[[Bench], Sequence[Row]], list[str]] = {
    launches.measure: ["launches"],
    saves.measure: ["saves"],
    backlog.measure: ["backlog", "shared-backlog", "shared-worker", "shared-all"],
    together.measure: ["noop", "shared"],
    holding.measure: ["idle-worker", "waiting"],
    starts.measure: ["starts"],
    claims.measure: ["claims-steered", "claims-limited", "claims-retried", "claims-idle-workers"],
    ticking.measure: ["ticks"],
    canceling.measure: ["bulk", "bulk-lock"],
    streaming.measure: ["stream", "crowd"],
    rebuilding.measure: ["rebuild", "rebuild-memory"],
    starting_up.measure: ["up"],
}


IN_EVERY_RUN = (saves.measure, canceling.measure, slow(rebuilding.measure))
"""These are quick; `make bench-check` runs the others, which start services again and again."""

MEASURED = EXPECTED if "APPHUB_ALL_BENCHMARKS" in os.environ else IN_EVERY_RUN


@pytest.mark.parametrize("measure", MEASURED, ids=lambda measure: measure.__module__)
def test_it_runs(
    measure: Callable[[Bench], Sequence[Row]], database_server: str, shared_dir: Path
) -> None:
    rows = measure(Bench(database_server, shared_dir, TINY))
    assert [row.name for row in rows] == EXPECTED[measure]
    assert all(row.value > 0 or row.limit == 0 for row in rows)
    assert as_text(rows)
    for row in rows:
        assert row.name != "crowd" or row.value == 0


def test_the_client_that_stands_in_for_wrk_posts(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running(python("benchmarks.against.serving"), {}, log) as process:
        assert by_python(0.2, ready_url(log, process) + PATH, BODY).number > 0


def test_what_figures_depend_on_is_told(database_server: str) -> None:
    machine = described(database_server)
    assert [(machine["fsync"],)] == query(database_server, "SHOW fsync")
    assert machine["synchronous_commit"] == "on"
    assert machine["eventsourcing"].startswith("9.")


BURNING = "import time\nwhile time.process_time() < 0.5: pass\nprint('ready', flush=True)"

WORKING = f"""
import pathlib, subprocess, sys, time
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.01)
subprocess.run([sys.executable, "-c", {BURNING!r}])
time.sleep(600)
"""


def test_what_a_worker_has_started_is_counted_apart_from_it(
    database_url: str, tmp_path: Path
) -> None:
    log, begin = tmp_path / "log", tmp_path / "begin"
    with running([sys.executable, "-c", WORKING, str(begin)], {}, log) as worker:
        with meter(database_url, {WORKER: worker.pid, API: os.getpid()}) as metering:
            begin.touch()
            eventually(lambda: "ready" in log.read_text(), what="the child's end")
            read = metering.read(10)
        # It has ended, or is about to: its half second counts in either case, in ten parts.
        assert read[HANDLERS] >= 45_000 > read[WORKER]
    parts = (read[API], read[WORKER], read[HANDLERS], read[POSTGRESQL])
    assert read[ALL] == pytest.approx(sum(parts))
    assert 0 <= read[IDLE] <= 1
