"""The runs of a failure group are read off an index: the few of a small one, the newest of many."""

from dataclasses import replace
from itertools import product
from typing import Any

import psycopg
import pytest

from domain import filters
from domain.filters import conditions_of
from domain.identifiers import failure_group_id
from domain.jobs.launching import Launch
from eventlog import failures
from eventlog.history.as_of import open_past
from projections import failure_search
from projections.runs import lists, past
from projections.runs.filters import NOW, RunFilter, RunSearch, page_values, run_filter
from projections.runs.past import PastRuns
from tests.support.logs import TESTER, Parts, registered

RUNS = 20_000

LARGE, SMALL = "a" * 16, "b" * 16

PAGE = 25

# Positions before all others, so that no later event of the log can have them.
FILL_RUNS = """
    INSERT INTO job_runs SELECT filled.*
    FROM job_runs AS run, generate_series(1, %(runs)s) AS n,
    LATERAL jsonb_populate_record(run, jsonb_build_object(
        'id', gen_random_uuid(),
        'status', (ARRAY['failed', 'succeeded'])[1 + n %% 2],
        'failure_reason', 'error',
        'created_position', 3 * n - 100000, 'completed_position', 3 * n - 99999)) AS filled
"""

NOTE = """
    INSERT INTO jobs_events (originator_id, originator_version, topic, state, actor, correlation_id,
        notification_id)
    SELECT %(group)s, n / 100 + 1, 'failure_group.recurred',
        convert_to(json_build_object('positions', json_agg(3 * n - 99999))::text, 'UTF8'),
        'system', %(group)s, 3 * max(n) - 99998
    FROM generate_series(0, %(last)s) AS n GROUP BY n / 100
"""

COUNT = """
    INSERT INTO failure_groups SELECT filled.* FROM jsonb_populate_record(
        NULL::failure_groups, jsonb_build_object(
            'aggregate_id', %(group)s::uuid, 'fingerprint', '', 'title', '', 'job', '',
            'reason', '', 'status', 'open', 'count', %(last)s, 'recovered', 0,
            'first_at', now(), 'last_at', now(), 'affected_versions', '[]'::jsonb,
            'sample_run', %(group)s::uuid, 'created_at', now(), 'updated_at', now(),
            'aggregate_version', 1, 'position', 1)) AS filled
"""


async def fill(part: Parts) -> None:
    """Let 10 000 runs fail, nearly all for the same reason, and the ten oldest for another."""
    await registered(part.jobs)
    await part.jobs.launch("job", Launch(delay_ms=3_600_000), TESTER)
    with psycopg.connect(part.url, autocommit=True) as connection:
        connection.execute(FILL_RUNS, {"runs": RUNS})
        for fingerprint, last in ((LARGE, RUNS), (SMALL, 20)):
            values = {"group": failure_group_id(fingerprint), "last": last}
            connection.execute(NOTE, values)
            connection.execute(COUNT, values)
        connection.execute("VACUUM (ANALYZE) job_runs")
        connection.execute("ANALYZE jobs_events")


SUCCEED = """
    INSERT INTO jobs_events (originator_id, originator_version, topic, state, actor, correlation_id,
        notification_id)
    SELECT id, 2, 'job_run.succeeded', '{}', 'system', id, completed_position
    FROM job_runs WHERE status = 'succeeded'
"""


async def wanted_of(part: Parts, *texts: str) -> RunFilter:
    """Return what a filter comes to."""
    conditions = conditions_of(filters.read(texts, ""))
    async with (
        part.pool.connection() as connection,
        open_past(connection, part.files, None) as seen,
    ):
        parsed_filter = await run_filter(connection, seen, conditions)
    assert parsed_filter is not None
    return parsed_filter


def read_of_runs(url: str, sql: str, values: dict[str, object]) -> tuple[int, int]:
    """Return how many rows of `job_runs` a query read, and how many it found."""
    [(explained,)] = _explained(url, sql, values)
    plan = explained[0]["Plan"]
    read = 0
    for node in _nodes(plan):
        if node.get("Relation Name") == "job_runs":
            assert node["Node Type"] != "Seq Scan", plan
            each = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            read += round(each * node["Actual Loops"])
    return read, round(plan["Actual Rows"])


def _explained(url: str, sql: str, values: dict[str, object]) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}"
        return connection.execute(explain.encode(), values).fetchall()


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in _nodes(child))]


FURTHER: tuple[tuple[str, ...], ...] = ((), ("retried=false",))

GROUPS = ((LARGE, PAGE + 1), (SMALL, 10))


async def test_no_more_runs_are_read_than_are_shown(part: Parts) -> None:
    await fill(part)
    head = await part.reader.head()
    for further, (fingerprint, expected) in product(FURTHER, GROUPS):
        parsed_filter = await wanted_of(part, f"failureGroup={fingerprint}", *further)
        sought = RunSearch(parsed_filter)
        now = {**page_values(sought, PAGE, 0), "status_0": "failed", "status_1": "expired"}
        then = past.values_of(PastRuns(position=head), sought, PAGE, 0)
        for sql, values in (
            (lists.newest_first(parsed_filter), now),
            (past.newest_first(parsed_filter), then),
        ):
            read, selected = read_of_runs(part.url, sql, values)
            assert (selected, read < 3 * PAGE) == (expected, True), sql


async def test_a_search_for_failures_reads_the_runs_that_succeeded_and_no_others(
    part: Parts,
) -> None:
    await fill(part)
    with psycopg.connect(part.url, autocommit=True) as connection:
        connection.execute(SUCCEED)
        connection.execute("VACUUM (ANALYZE) jobs_events")
    values = {
        "after": -100_000,
        "until": -100_000 + failures.REACH,
        "failed": list(failures.FAILED),
        "limit": failures.MAX_EVENTS,
        "max_bytes": failures.MAX_BYTES,
    }
    read, selected = read_of_runs(part.url, failures.FAILED_OR_RECOVERED, values)
    successes = failures.REACH // 6
    assert (read, selected) == (successes, 0)


@pytest.mark.slow
async def test_the_first_page_of_a_large_group_reads_its_newest_events(part: Parts) -> None:
    await fill(part)
    parsed_filter = await wanted_of(part, f"failureGroup={LARGE}")
    async with part.pool.connection() as connection:
        everything, _ = await lists.list_runs(connection, parsed_filter, RUNS, 0)
        assert len(everything) == RUNS / 2
        run_ids: list[str] = []
        before: int | None = None
        while len(run_ids) < len(everything):
            page_of = replace(parsed_filter, before_position=before)
            page, following = await lists.list_runs(connection, page_of, 999, 0)
            run_ids += [run["id"] for run in page]
            before = page[-1]["created_position"]
            assert (following is None) == (len(run_ids) == len(everything))
        assert run_ids == [run["id"] for run in everything]
        newest = await failure_search.recent_failures(
            connection, parsed_filter.conditions, NOW, lists.FEW_EVENTS
        )
    values = page_values(RunSearch(replace(parsed_filter, recent_failures=newest)), PAGE, 0)
    values |= {"status_0": "failed", "status_1": "expired"}
    query = lists.newest_first(replace(parsed_filter, recent_failures=newest))
    [(explained,)] = _explained(part.url, query, values)
    nodes = _nodes(explained[0]["Plan"])
    assert explained[0]["Plan"]["Actual Rows"] == PAGE + 1
    of_events = [node for node in nodes if node.get("Relation Name") == "jobs_events"]
    assert of_events
    for node in of_events:
        assert node["Node Type"] != "Seq Scan"
        assert node["Actual Rows"] <= lists.FEW_EVENTS + 1
