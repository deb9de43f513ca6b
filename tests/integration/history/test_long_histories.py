"""Histories are read in parts, as far as a question needs them."""

import tracemalloc

from domain.jobs.launching import Launch
from eventlog.history.as_of import open_past
from eventlog.history.run_changes import fold_rows
from projections import job_runs
from projections.job_runs import RunRow
from tests.support.logs import TESTER, Parts, query, registered
from tests.support.sample_logs.long_histories import report_much


async def test_the_past_of_a_long_history_is_folded_part_by_part(part: Parts) -> None:
    slug = await registered(part.jobs)
    run_id = (await part.jobs.launch(slug, Launch(), TESTER)).run_id
    await part.worker("w")
    await part.executions.claim("w", 1)
    started = await part.reader.head()
    report_much(part.url, str(run_id), times=60, characters=500_000)
    query(
        part.url,
        "UPDATE job_runs SET position = (SELECT max(notification_id) FROM jobs_events)"
        " WHERE id = %s RETURNING 1",
        run_id,
    )
    async with part.pool.connection() as connection:
        tracemalloc.start()
        async with open_past(connection, part.files, started + 59) as past:
            row = await past.run(run_id)
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert row is not None
    assert _number(row) == 59
    assert row["aggregate_version"] == 61
    # All of it has thirty megabytes.
    assert peak_bytes < 20_000_000


async def test_the_past_of_several_long_histories_is_that_of_each(part: Parts) -> None:
    slug = await registered(part.jobs)
    ids = [(await part.jobs.launch(slug, Launch(), TESTER)).run_id for _ in range(3)]
    await part.worker("w")
    await part.executions.claim("w", 3)
    for run_id, count in zip(ids, (700, 20, 300), strict=True):
        report_much(part.url, str(run_id), times=count, characters=20_000)
    query(
        part.url,
        "UPDATE job_runs SET position = (SELECT max(notification_id) FROM jobs_events) RETURNING 1",
    )
    head = await part.reader.head()
    async with part.pool.connection() as connection:
        rows = await fold_rows(connection, part.files, job_runs.TABLE, ids, head - 1)
    assert [_number(rows[run_id]) for run_id in ids] == [700, 20, 299]
    assert [rows[run_id]["aggregate_version"] for run_id in ids] == [702, 22, 301]


def _number(row: RunRow) -> object:
    """Return which report was the last one."""
    metrics = row["metrics"]
    assert metrics is not None
    return metrics["number"]
