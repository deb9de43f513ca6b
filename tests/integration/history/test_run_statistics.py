"""The statistics of runs: what they say, whoever counts, and that nothing ceases to count."""

import asyncio
import re
from bisect import bisect_left
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from domain.clock import Clock
from domain.errors import InvalidInputError
from domain.jobs.launching import Launch
from domain.jobs.run_events import AttemptFailure, Report
from eventlog import statistics
from eventlog.database.connection import Database
from eventlog.rebuild.differences import Difference
from eventlog.rebuild.rebuild import rebuild
from eventlog.rebuild.statistics import rebuild_statistics, verify_statistics
from eventlog.statistics import RunStatistics
from projections import job_runs
from projections.run_statistics import BOUNDS_MS, ENDED, KEPT, VERSION
from projections.runs.over_time import (
    MAX_BUCKET,
    MAX_SPAN,
    PRECISION,
    SOME_COUNTS,
    has_rows,
    over_time,
    question,
)
from tests.support.logs import TESTER, Parts, query, registered
from tests.support.sample_logs.archives import archive_now

RUNS = """
    SELECT job_definition_id::text, created_at, completed_at, status, duration_ms,
        (extract(epoch FROM started_at - scheduled_at) * 1000)::int
    FROM job_runs
"""

COUNTED = f"""
    SELECT unit, at, job_definition_id::text, created, {", ".join(ENDED)},
        queue_ms_sum, duration_ms_sum, queue_ms, duration_ms
    FROM run_statistics
"""

PROGRESS = "SELECT position FROM run_statistics_progress"

EPOCH = datetime.fromisoformat("1970-01-01T00:00:00Z")


@pytest.fixture(autouse=True)
def _in_small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "STEP", 7)
    monkeypatch.setattr(statistics, "EVERY_S", 0.0)


def counted(url: str) -> dict[tuple[str, datetime, str], Counter[str]]:
    """Return what the table says, by unit, time and job."""
    counts: dict[tuple[str, datetime, str], Counter[str]] = {}
    for unit, at, job, *numbers, queue, duration in query(url, COUNTED):
        names = ("created", *ENDED, "queue_ms_sum", "duration_ms_sum")
        row = Counter(dict(zip(names, numbers, strict=True)))
        row.update({f"queue {bound}": runs for bound, runs in queue.items()})
        row.update({f"duration {bound}": runs for bound, runs in duration.items()})
        counts[unit, at, job] = +row
    return counts


def recounted(url: str) -> dict[tuple[str, datetime, str], Counter[str]]:
    """Count the runs one by one."""
    counts: dict[tuple[str, datetime, str], Counter[str]] = {}

    def count(at: datetime, job: str, row: Counter[str]) -> None:
        minute = at.replace(second=0, microsecond=0)
        hour = minute.replace(minute=0)
        buckets = {"minute": minute, "hour": hour, "day": hour.replace(hour=0), "total": EPOCH}
        for unit, start in buckets.items():
            counts.setdefault((unit, start, job), Counter()).update(row)

    for job, created_at, completed_at, status, duration_ms, queue_ms in query(url, RUNS):
        count(created_at, job, Counter(created=1))
        if completed_at is None:
            continue
        ended = Counter({status: 1})
        for name, ms in (("queue", queue_ms), ("duration", duration_ms)):
            if ms is not None:
                ended[f"{name}_ms_sum"] += ms
                ended[f"{name} {BOUNDS_MS[bisect_left(BOUNDS_MS, ms)]}"] += 1
        count(completed_at, job, +ended)
    return counts


def counter_of(part: Parts) -> RunStatistics:
    return RunStatistics(part.pool, part.jobs.clock)


async def count_all(part: Parts) -> None:
    counter = counter_of(part)
    while await counter.advance():
        pass


async def act(part: Parts, slug: str, random: Random) -> None:
    """Let something happen to some runs."""
    for _ in range(random.randrange(4)):
        await part.jobs.launch(slug, Launch(max_attempts=random.choice([1, 2])), TESTER)
    for claim in await part.executions.claim("w", random.randrange(1, 4)):
        run_id, holder = claim.run.id, claim.holder
        what = random.choice(["succeed", "fail", "hand back", "cancel", "run on"])
        if what == "succeed":
            await part.executions.succeed(run_id, holder, None, Report())
        elif what == "fail":
            failure = AttemptFailure("no", retry_after_ms=0)
            await part.executions.fail(run_id, holder, failure, Report())
        elif what == "hand back":
            await part.executions.hand_back(run_id, holder)
        elif what == "cancel":
            await part.jobs.cancel(run_id, None, TESTER)


async def test_a_clock_that_was_set_back_delays_no_count(part: Parts) -> None:
    slug = await registered(part.jobs)
    await count_all(part)
    ahead = "counted_at = clock_timestamp() + interval '1 hour'"
    query(part.url, f"UPDATE run_statistics_progress SET {ahead} RETURNING 1")
    await part.jobs.launch(slug, Launch(), TESTER)
    await count_all(part)
    assert counted(part.url) == recounted(part.url)


async def test_each_launch_and_end_counts_once_whoever_counts_and_whatever_happened(
    part: Parts,
) -> None:
    random = Random(11)
    await part.worker("w")
    slugs = [await registered(part.jobs, f"job-{number}") for number in range(3)]
    counters = [counter_of(part) for _ in range(3)]
    for step in range(30):
        await act(part, random.choice(slugs), random)
        if step % 4 == 0:
            await asyncio.gather(*(counter.advance() for counter in counters))
        if step % 10 == 0:
            await count_all(part)
            assert counted(part.url) == recounted(part.url)
    await count_all(part)
    assert counted(part.url) == recounted(part.url)
    assert query(part.url, PROGRESS) == query(
        part.url, "SELECT max(notification_id) FROM jobs_events"
    )
    by_status = [status for _, _, _, status, _, _ in query(part.url, RUNS)]
    assert {"succeeded", "failed"} <= set(by_status)
    checked = await verify_statistics(Database(part.url), _unexpected)
    assert checked.is_equal
    assert checked.rows == len(counted(part.url))


def _unexpected(difference: Difference) -> None:
    pytest.fail(f"unexpected: {difference}")


async def test_archived_runs_count_also_when_they_were_archived_before_they_were_counted(
    part: Parts, tmp_path: Path
) -> None:
    random = Random(12)
    await part.worker("w")
    slug = await registered(part.jobs)
    for archived_uncounted in (False, True):
        for _ in range(8):
            await act(part, slug, random)
        if not archived_uncounted:
            await count_all(part)
        await archive_now(part.url, tmp_path / "archive")
        await count_all(part)
        assert counted(part.url) == recounted(part.url)
    assert query(part.url, "SELECT count(*) > 3 FROM archived_runs") == [(True,)]


async def test_buckets_that_are_kept_no_longer_go_and_the_rest_stays_exact(part: Parts) -> None:
    slug = await registered(part.jobs)
    await part.jobs.launch(slug, Launch(), TESTER)
    await count_all(part)
    for later, units in (
        (timedelta(0), {"minute", "hour", "day", "total"}),
        (KEPT["minute"] + timedelta(minutes=2), {"hour", "day", "total"}),
        (KEPT["hour"] + timedelta(hours=2), {"day", "total"}),
    ):
        await part.jobs.launch(slug, Launch(), TESTER)
        await RunStatistics(part.pool, _clock_ahead(part, later)).advance()
        assert {unit for unit, _, _ in counted(part.url)} == units
        assert (await verify_statistics(Database(part.url), _unexpected)).is_equal
    assert query(part.url, "SELECT created FROM run_statistics WHERE unit = 'total'") == [(4,)]


def _clock_ahead(part: Parts, ahead: timedelta) -> Clock:
    return lambda: part.jobs.clock() + ahead


async def test_verify_names_a_wrong_count_and_a_rebuild_repairs_it(part: Parts) -> None:
    slug = await registered(part.jobs)
    await part.jobs.launch(slug, Launch(), TESTER)
    await count_all(part)
    query(part.url, "UPDATE run_statistics SET created = 5 WHERE unit = 'day' RETURNING 1")
    query(part.url, "DELETE FROM run_statistics WHERE unit = 'hour' RETURNING 1")
    query(
        part.url,
        "UPDATE run_statistics SET unit = 'hour', at = '2020-01-01' WHERE unit = 'minute'"
        " RETURNING 1",
    )
    differences: list[Difference] = []
    checked = await verify_statistics(Database(part.url), differences.append)
    kinds = Counter((difference.key.split()[0], difference.kind) for difference in differences)
    assert kinds == {
        ("day", "differs"): 1,
        ("hour", "missing"): 1,
        ("hour", "extra"): 1,
        ("minute", "missing"): 1,
    }
    assert checked.differences == 4
    assert ("5", "1") not in [difference.columns.get("created") for difference in differences]
    [differing] = [difference for difference in differences if difference.kind == "differs"]
    assert differing.columns == {"created": ("1", "5")}
    rebuilt = await rebuild_statistics(Database(part.url), _unexpected)
    assert (rebuilt.repaired, rebuilt.comparison.is_equal) == (4, True)
    assert counted(part.url) == recounted(part.url)


async def test_a_repair_of_the_runs_rows_lets_all_be_counted_anew(part: Parts) -> None:
    slug = await registered(part.jobs)
    await part.jobs.launch(slug, Launch(), TESTER)
    query(part.url, "UPDATE job_runs SET created_at = '2020-01-01' RETURNING 1")
    await count_all(part)
    rebuilt = await rebuild(Database(part.url), job_runs.TABLE, _unexpected, lambda *_: None)
    assert rebuilt.repaired == 1
    assert query(part.url, PROGRESS) == [(None,)]
    await count_all(part)
    assert counted(part.url) == recounted(part.url)


def ended_runs(url: str) -> Counter[str]:
    """Return how many runs there are, and how many of them have ended how."""
    statuses = Counter(status for (status,) in query(url, "SELECT status FROM job_runs"))
    return +Counter({"created": statuses.total()} | {one: statuses[one] for one in ENDED})


def summed(buckets: list[Any]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for bucket in buckets:
        sums["created"] += bucket["created"]
        sums.update(bucket["ended"])
    return +sums


async def test_what_was_counted_at_each_position_is_answered_later(part: Parts) -> None:
    random = Random(5)
    await part.worker("w")
    slugs = [await registered(part.jobs, f"Job-{number}") for number in range(2)]
    began = part.jobs.clock()
    known: dict[int, Counter[str]] = {}
    for _ in range(12):
        await act(part, random.choice(slugs), random)
        known[await part.reader.head()] = ended_runs(part.url)
    await count_all(part)
    # The minute of the first half lies in the past: only then comes an answer from the table.
    ended = part.jobs.clock() + timedelta(minutes=1)
    for by_job in (False, True):
        request = question(began, ended, timedelta(minutes=1), None, by_job=by_job, now=ended)
        async with part.pool.connection() as connection:
            for position, counts in known.items():
                buckets, counted = await over_time(connection, request, position)
                assert (summed(buckets), counted) == (counts, position)
            now: list[Any] = (await over_time(connection, request, None))[0]
            assert summed(now) == ended_runs(part.url)
    assert {bucket["job"] for bucket in now} == {"job-0", "job-1"}


async def test_quantiles_are_those_of_the_runs(part: Parts) -> None:
    await part.worker("w")
    await registered(part.jobs, "job")
    random = Random(3)
    for _ in range(40):
        await part.jobs.launch("job", Launch(), TESTER)
    for claim in await part.executions.claim("w", 40):
        await asyncio.sleep(random.random() / 50)
        await part.executions.succeed(claim.run.id, claim.holder, None, Report())
    await count_all(part)
    now = part.jobs.clock()
    request = question(now - timedelta(days=1), now, timedelta(days=1), None, by_job=False, now=now)
    async with part.pool.connection() as connection:
        answer = await over_time(connection, request, None)
        assert not await has_rows(connection, request, SOME_COUNTS)
        assert await has_rows(connection, request, 1)
    buckets: list[Any] = answer[0]
    durations = sorted(row[4] for row in query(part.url, RUNS))
    if len(buckets) == 1:  # Else the day has changed meanwhile.
        for name, rank in (("p50", 19), ("p95", 37), ("p99", 39)):
            exact = durations[rank]
            assert abs(buckets[0]["durationMs"][name] - exact) <= exact * PRECISION + 1


def test_questions_that_cannot_be_meant_are_refused() -> None:
    day = timedelta(days=1)
    for begin, end, bucket, path in (
        (EPOCH, EPOCH, None, "/to"),
        (EPOCH, EPOCH + day, timedelta(seconds=90), "/bucketMs"),
        (EPOCH, EPOCH + 2 * day, timedelta(minutes=1), "/bucketMs"),
        (EPOCH, EPOCH + MAX_SPAN + day, MAX_BUCKET, "/from"),
    ):
        with pytest.raises(InvalidInputError) as refused:
            question(begin, end, bucket, None, by_job=False, now=end)
        assert [issue.path for issue in refused.value.issues] == [path]


@pytest.mark.parametrize(
    ("days", "minutes", "unit"), [(1, 15, "minute"), (3, 60, "hour"), (91, 1_440, "day")]
)
def test_usual_buckets_are_of_a_length_that_is_kept(days: int, minutes: int, unit: str) -> None:
    begin, day = EPOCH + timedelta(minutes=7), timedelta(days=1)
    now = EPOCH + days * day
    usual = question(begin, EPOCH + day, None, None, by_job=False, now=now)
    assert (usual.bucket, usual.begin, usual.unit) == (timedelta(minutes=minutes), EPOCH, unit)


@pytest.mark.parametrize(
    ("span", "unit"),
    [
        (timedelta(days=2), "minute"),
        (timedelta(days=400), "hour"),
        (timedelta(days=40_000), "day"),
        (MAX_SPAN, "day"),
    ],
)
def test_of_too_many_buckets_the_refusal_names_a_length_that_is_taken(
    span: timedelta, unit: str
) -> None:
    begin = EPOCH + timedelta(minutes=7)
    with pytest.raises(InvalidInputError, match="more than 1500 buckets") as refused:
        question(begin, begin + span, timedelta(minutes=1), None, by_job=False, now=begin)
    [least_ms] = re.findall("at least ([0-9]+)", str(refused.value))
    bucket = timedelta(milliseconds=int(least_ms))
    assert bucket <= MAX_BUCKET
    question_of_it = question(begin, begin + span, bucket, None, by_job=False, now=begin)
    assert question_of_it.unit == unit


async def test_buckets_that_are_kept_no_longer_are_not_made_up(part: Parts) -> None:
    await registered(part.jobs, "job")
    await count_all(part)
    async with part.pool.connection() as connection:
        await counter_of(part).trim(connection)
        request = question(
            EPOCH, EPOCH + timedelta(hours=1), timedelta(minutes=1), None, by_job=False, now=EPOCH
        )
        with pytest.raises(InvalidInputError, match="multiple of 3600000"):
            await over_time(connection, request, None)


async def test_another_version_counts_anew_and_leaves_alone_what_a_newer_one_counts(
    part: Parts,
) -> None:
    slug = await registered(part.jobs)
    await part.jobs.launch(slug, Launch(), TESTER)
    await count_all(part)
    query(part.url, "UPDATE run_statistics SET created = 5 RETURNING 1")
    for version, is_counted in ((VERSION + 1, False), (VERSION - 1, True)):
        query(part.url, "UPDATE run_statistics_progress SET version = %s RETURNING 1", version)
        await count_all(part)
        assert (counted(part.url) == recounted(part.url)) is is_counted
