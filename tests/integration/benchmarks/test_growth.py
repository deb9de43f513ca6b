"""Growth's population agrees with its log; no question about it reads the whole of a table."""

import io
import json
from pathlib import Path
from time import time

import pytest

from benchmarks.growth import __main__ as growth
from benchmarks.growth import timing
from benchmarks.growth.__main__ import Results, show
from benchmarks.growth.population import Population, fill
from benchmarks.growth.questions import SPOIL_BACKLOG, backlog_questions, look_around, questions
from eventlog.database.connection import Database
from eventlog.history.run_changes import Checkpoints
from eventlog.rebuild.histories import check_histories
from eventlog.rebuild.verify import verify
from projections.histories.rules import Finding
from projections.tables import TABLES
from tests.support import databases
from tests.support.logs import parts

RUNS = 20_000


def _fill(url: str, runs: int, pending_share: float = 0.0) -> None:
    fill(url, Population(runs, int(time() * 1_000) - 60_000, pending_share), lambda _: None)


@pytest.mark.slow
async def test_no_question_reads_all_of_a_big_table(database_url: str) -> None:
    _fill(database_url, RUNS)
    async with parts(database_url) as part:
        assert await Checkpoints(part.pool, part.files).recompute()
    checked = await verify(Database(database_url), TABLES, print, lambda *_: None)
    assert [table.differences for table in checked] == [0] * len(TABLES)
    assert sum(table.rows for table in checked) > RUNS
    findings: list[Finding] = []
    await check_histories(Database(database_url), (), findings.append, lambda *_: None)
    assert not findings
    connection = await timing.recording(database_url)
    async with connection:
        for question in questions(await look_around(connection), connection):
            query_plans = await timing.plans(connection, question)
            # Which is small here.
            read = set(timing.scans(query_plans)) - {"run_checkpoints"}
            assert not read, (question.name, query_plans)


async def test_a_backlog_is_claimed_from_without_reading_it(database_url: str) -> None:
    _fill(database_url, RUNS // 2, 1.0)
    connection = await timing.recording(database_url)
    async with connection:
        for suffix in ("", "full ones in front"):
            for question in backlog_questions(suffix):
                query_plans = await timing.plans(connection, question)
                assert not timing.scans(query_plans), (question.name, query_plans)
            await connection.execute(SPOIL_BACKLOG)
            await connection.execute("VACUUM (ANALYZE) job_runs")


@pytest.mark.slow
def test_the_benchmark_measures_and_tells(
    database_server: str, shared_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name, value in (
        (timing, "MIN_ROUNDS", 1),
        (timing, "WARM", 1),
        (timing, "LONG_S", 0.0),
        (timing, "ROUND_S", 0.05),
        (timing, "ROUNDS", 1),
        (timing, "SINGLE", 3),
        (timing, "CLAIMS", 2),
    ):
        monkeypatch.setattr(module, name, value)
    where = (database_server, databases.template(database_server, shared_dir))
    results = Results()
    growth.measure([500, 1_000], where, results, tmp_path)
    show(results)
    document = json.load(io.StringIO(json.dumps(results.present())))
    assert set(document["sizes"]) == {"500", "1000"}
    assert all(size["rebuild_of_an_empty_table_s"] > 0 for size in document["sizes"].values())
    assert all(set(row["ms"]) == {"500", "1000"} and row["ratio"] > 0 for row in document["rows"])
    assert "GET /job-runs?search, without a hit" in (tmp_path / "1000.txt").read_text()
