"""Every benchmark runs, at sizes whose figures say nothing; peers where they are installed."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from benchmarks.harness.load import rate_of_python
from benchmarks.harness.machine import described
from benchmarks.harness.processes import python, ready_url, running
from benchmarks.harness.results import TINY, Bench, Row
from benchmarks.harness.systems import BODY, PATH
from benchmarks.harness.table import as_text
from benchmarks.rows import (
    canceling,
    claims,
    holding,
    launches,
    noop_runs,
    rebuilding,
    saves,
    starting_up,
    starts,
    streaming,
    ticking,
)
from tests.support.logs import query

EXPECTED: dict[Callable[[Bench], Sequence[Row]], list[str]] = {
    launches.measure: ["launches"],
    saves.measure: ["saves"],
    noop_runs.measure: ["backlog", "noop", "shared-backlog", "shared"],
    holding.measure: ["idle-worker", "waiting"],
    starts.measure: ["starts"],
    claims.measure: ["claims-steered", "claims-limited", "claims-retried", "claims-idle-workers"],
    ticking.measure: ["ticks"],
    canceling.measure: ["bulk", "bulk-lock"],
    streaming.measure: ["stream", "crowd"],
    rebuilding.measure: ["rebuild", "rebuild-memory"],
    starting_up.measure: ["up"],
}


IN_EVERY_RUN = (saves.measure, canceling.measure, rebuilding.measure)
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
        assert rate_of_python(ready_url(log, process) + PATH, BODY, 0.2, connections=4) > 0


def test_what_figures_depend_on_is_told(database_server: str) -> None:
    told = described(database_server)
    assert [(told["fsync"],)] == query(database_server, "SHOW fsync")
    assert told["synchronous_commit"] == "on"
    assert told["eventsourcing"].startswith("9.")
