"""Searches find the same as by looking at every run, whichever way they are found."""

from functools import partial
from random import Random
from typing import Any
from uuid import UUID

import pytest

from domain.jobs.run_events import STATUSES
from eventlog.history.as_of import open_past
from eventlog.keys import LogFiles
from projections.job_runs import RunRow
from projections.rows import Connection, read_rows
from projections.runs import lists
from projections.runs.filters import RunFilter
from tests.support.databases import Filled
from tests.support.logs import parts
from tests.support.sample_logs.long_logs import fill

RUNS = 600


def _wanted(random: Random, rows: list[RunRow]) -> dict[str, Any]:
    run = random.choice(rows)
    texts = [
        "job-1",
        "JOB-49",
        "ob-",
        "nothing",
        "0",
        "01957000-0000",
        str(run["id"])[:35],
        str(run["id"]),
    ]
    statuses = random.sample(STATUSES, random.choice([0, 0, 1, 2, 6]))
    jobs = [UUID(one["job_definition_id"]) for one in random.choices(rows, k=3)]
    one_job, several_jobs = random.choice(
        [(None, []), (jobs[0], []), (None, jobs), (None, jobs[:1])]
    )
    if several_jobs:
        texts.append("")
    return {
        "search": random.choice(texts) or None,
        "statuses": statuses,
        "definition_id": one_job,
        "definition_ids": several_jobs,
        "before_position": random.choice([None, run["created_position"]]),
    }


def _matches(run: RunRow, conditions: dict[str, Any]) -> bool:
    text, before = (conditions["search"] or "").lower(), conditions["before_position"]
    job = UUID(run["job_definition_id"])
    return (
        (text in str(run["slug"]).lower() or str(run["id"]).startswith(text))
        and (not conditions["statuses"] or run["status"] in conditions["statuses"])
        and conditions["definition_id"] in {None, job}
        and (not conditions["definition_ids"] or job in conditions["definition_ids"])
        and (before is None or run["created_position"] < before)
    )


async def _compare(connection: Connection, random: Random, rows: list[RunRow]) -> None:
    conditions = _wanted(random, rows)
    limit, offset = random.choice([1, 25]), random.choice([0, 0, 3, 40])
    expected = [run["id"] for run in rows if _matches(run, conditions)][offset : offset + limit + 1]
    run_filter = RunFilter(**conditions)
    next_offset = offset + limit if len(expected) > limit else None
    page, following = await lists.list_runs(connection, run_filter, limit, offset)
    assert [run["id"] for run in page] == expected[:limit], conditions
    assert following == next_offset, conditions
    async with open_past(connection, LogFiles(), None) as past:
        page, following = await past.runs(run_filter, limit, offset)
    assert [run["id"] for run in page] == expected[:limit], conditions
    assert following == next_offset, conditions


@pytest.mark.parametrize(("max_named", "far"), [(1_000, 1_000), (5, 1)])
async def test_a_search_finds_what_looking_at_every_run_would_find(
    filled: Filled, monkeypatch: pytest.MonkeyPatch, max_named: int, far: int
) -> None:
    monkeypatch.setattr(lists, "MAX_IDS", max_named)
    monkeypatch.setattr(lists, "FAR", far)

    database_url = await filled("searched_runs", partial(fill, runs=RUNS, pending_in_hundred=10))
    async with parts(database_url) as part, part.pool.connection() as connection:
        rows = await read_rows(
            connection, RunRow, "SELECT * FROM job_runs ORDER BY created_position DESC"
        )
        random = Random(max_named)
        for _ in range(60):
            await _compare(connection, random, rows)
