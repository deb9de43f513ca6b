"""Every kind of question that clients and workers put to tables and log, asked as they ask it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

from psycopg_pool import AsyncConnectionPool
from typing_extensions import ReadOnly, TypedDict

from api.views.lists import MAX_PART, PART_BYTES, Present, View, with_jobs
from catalog import app_search, build_rows, repository_rows
from catalog.app_search import AppFilter
from domain.clock import from_iso
from domain.quarantine import Quarantine
from eventlog import workers
from eventlog.database.sql import HEAD
from eventlog.history.as_of import open_past
from eventlog.history.audit import SCAN_LIMIT, Audit, EventFilter
from eventlog.history.reader import Reader
from eventlog.history.run_changes import RunCounts
from eventlog.keys import LogFiles
from eventlog.measures import oldest_pending
from eventlog.workers import Heartbeats
from projections import job_definitions
from projections.flow import unfinished
from projections.rows import Connection, read_one, read_value
from projections.runs import lists
from projections.runs.filters import RunFilter
from tests.support.logs import select_anew


@dataclass(frozen=True)
class Known:
    """What questions are about: the most frequent job; a run and a place in the log's middle."""

    job_id: UUID
    slug: str
    run_id: UUID
    correlation_id: UUID
    runs: int
    cursor: int
    head: int
    at: datetime


class _Middle(TypedDict):
    id: ReadOnly[str]
    created_position: ReadOnly[int]
    created_at: ReadOnly[str]
    correlation_id: ReadOnly[str]


_MIDDLE = """
    SELECT run.id, run.created_position, run.created_at, event.correlation_id
    FROM job_runs AS run
    JOIN jobs_events AS event ON event.originator_id = run.id AND event.originator_version = 1
    WHERE run.created_position >= %(position)s AND run.slug = %(slug)s
    ORDER BY run.created_position LIMIT 1
"""


async def look_around(connection: Connection) -> Known:
    """Find what to ask about."""
    slug = "job-000"
    job = await job_definitions.by_slug(connection, slug)
    assert job is not None
    head = await read_value(connection, int, HEAD)
    runs = await read_value(connection, int, "SELECT count(*) FROM job_runs")
    middle = await read_one(connection, _Middle, _MIDDLE, {"position": head // 2, "slug": slug})
    return Known(
        UUID(job["id"]),
        slug,
        UUID(middle["id"]),
        UUID(middle["correlation_id"]),
        runs,
        middle["created_position"],
        head,
        from_iso(middle["created_at"]),
    )


@dataclass(frozen=True)
class Question:
    """A question.

    Attributes:
        grows: why it may take longer the more there is; empty where it must not.
    """

    name: str
    ask: Callable[[Connection], Awaitable[object]]
    grows: str = ""


SHALLOW = 1_000
"""An offset that somebody may still page to; beyond lies what cursors are for."""


def _list(
    name: str, limit: int = 25, offset: int = 0, *, grows: str = "", **conditions: Any
) -> Question:
    async def ask(connection: Connection) -> object:
        seen = Present(connection)
        runs, _ = await seen.runs(RunFilter(**conditions), limit, offset)
        return await with_jobs(seen, runs, Quarantine())

    return Question(name, ask, grows)


def job_questions(known: Known) -> list[Question]:
    async def jobs(connection: Connection) -> object:
        return await job_definitions.next_by_slug(connection, "", MAX_PART, PART_BYTES)

    async def job(connection: Connection) -> object:
        seen = Present(connection)
        assert await seen.job(known.slug)
        return await seen.runs(RunFilter(definition_id=known.job_id), 10, 0)

    of_job: dict[str, Any] = {"definition_id": known.job_id}
    return [
        Question("GET /jobs", jobs),
        Question("GET /jobs/{slug}", job),
        _list("GET /jobs/{slug}/runs?status=failed", 10, statuses=["failed"], **of_job),
        _list(
            "GET /jobs/{slug}/runs?status=failed,canceled",
            10,
            statuses=["failed", "canceled"],
            **of_job,
        ),
        _list(
            "GET /jobs/{slug}/runs?cursor, the middle", 10, before_position=known.cursor, **of_job
        ),
        _list(f"GET /jobs/{{slug}}/runs?offset={SHALLOW}", 10, SHALLOW, **of_job),
    ]


def run_questions(known: Known) -> list[Question]:
    ended = ["succeeded", "failed", "canceled", "expired"]
    each = [
        _list(f"GET /job-runs?status={status}", statuses=[status])
        for status in ("pending", "running", *ended)
    ]
    middle: dict[str, Any] = {"before_position": known.cursor}
    return [
        _list("GET /job-runs"),
        *each,
        _list("GET /job-runs?status=pending,running", statuses=["pending", "running"]),
        _list("GET /job-runs?status of those that ended", statuses=ended),
        _list("GET /job-runs?job", definition_id=known.job_id),
        _list("GET /job-runs?job&status=failed", definition_id=known.job_id, statuses=["failed"]),
        _list("GET /job-runs?cursor, the middle", **middle),
        _list("GET /job-runs?cursor&status=failed", statuses=["failed"], **middle),
        _list("GET /job-runs?cursor&status of those that ended", statuses=ended, **middle),
        _list(
            "GET /job-runs?cursor&job&status=failed",
            definition_id=known.job_id,
            statuses=["failed"],
            **middle,
        ),
        _list(f"GET /job-runs?offset={SHALLOW}", offset=SHALLOW),
        _list(
            "GET /job-runs?offset, the middle",
            offset=known.runs // 2,
            grows="an offset is counted off one by one",
        ),
    ]


def search_questions(known: Known) -> list[Question]:
    run_id = str(known.run_id)
    return [
        _list("GET /job-runs?search, of one job", search="job-000"),
        _list("GET /job-runs?search, of a rare job", search="job-097"),
        _list("GET /job-runs?search, of ninety-eight jobs", search="job-"),
        _list("GET /job-runs?search, without a hit", search="no such thing"),
        _list("GET /job-runs?search, a run's id", search=run_id),
        _list("GET /job-runs?search, its first 11 characters", search=run_id[:11]),
        _list("GET /job-runs?search, the first 2 of most", search="01"),
        _list("GET /job-runs?search&status=failed", search="job-0", statuses=["failed"]),
        _list(
            "GET /job-runs?search&cursor, the middle", search="job-01", before_position=known.cursor
        ),
    ]


def single_run_questions(known: Known, pool: AsyncConnectionPool[Connection]) -> list[Question]:
    async def run(connection: Connection) -> object:
        seen = Present(connection)
        row = await seen.run(known.run_id)
        assert row is not None
        return await with_jobs(seen, [row], Quarantine())

    async def unknown(connection: Connection) -> object:
        return await lists.by_id(connection, uuid4())

    reader = Reader(pool, LogFiles())
    return [
        Question("GET /job-runs/{id}", run),
        Question("GET /job-runs/{id}, unknown", unknown),
        Question("GET /job-runs/{id}/events", lambda _: reader.histories([known.run_id])),
    ]


def app_questions(pool: AsyncConnectionPool[Connection]) -> list[Question]:
    async def apps(connection: Connection) -> object:
        page = await app_search.find(connection, AppFilter(), "updated", 100, 0)
        ids = [UUID(bytes=page[at : at + 16]) for at in range(0, len(page), 16)]
        await app_search.facets(connection, AppFilter())
        part = await app_search.read_part(connection, ids)
        return await build_rows.latest(connection, [row["id"] for row in part.rows])

    counted = "meta.total counts the app's builds, off an index"
    reader = Reader(pool, LogFiles())
    return [
        Question("GET /apps", apps),
        Question(
            "GET /apps/{id}", lambda connection: repository_rows.by_client_id(connection, "app-03")
        ),
        Question(
            "GET /apps/{id}/builds",
            lambda connection: build_rows.list_builds(connection, "app-03", 10, 0),
            counted,
        ),
        Question("the stream reads on", lambda _: reader.after(1_000)),
    ]


def past_questions(known: Known) -> list[Question]:
    def question(
        name: str, ask: Callable[[Any], Awaitable[object]], as_of: int | datetime | None
    ) -> Question:
        async def answer(connection: Connection) -> object:
            async with open_past(connection, LogFiles(), as_of) as past:
                return await ask(past)

        return Question(name, answer)

    counts = RunCounts(LogFiles())

    async def newest(seen: View) -> object:
        runs, _ = await seen.runs(RunFilter(), 25, 0)
        return await with_jobs(seen, runs, Quarantine())

    return [
        question("GET /job-runs/counts", lambda past: past.counts(None), None),
        question("GET /job-runs/counts?job", lambda past: past.counts([known.job_id]), None),
        question("GET /job-runs/counts?asOf", lambda past: past.counts(None), known.cursor),
        Question(
            "GET /metrics, the first scrape",
            lambda connection: RunCounts(LogFiles()).count(connection),
        ),
        Question("GET /metrics, the next scrape", counts.count),
        question("GET /job-runs?asOf=position", newest, known.cursor),
        question("GET /job-runs?asOf=time", newest, known.at),
        question(
            "GET /job-runs?asOf&status=running",
            lambda past: past.runs(RunFilter(statuses=["running"]), 25, 0),
            known.cursor,
        ),
        question("GET /job-runs/{id}?asOf", lambda past: past.run(known.run_id), known.cursor),
    ]


def event_questions(known: Known, pool: AsyncConnectionPool[Connection]) -> list[Question]:
    audit = Audit(pool, LogFiles())

    # As far before the end as one page looks, so that there is as much to be looked at in every
    # log.
    far = max(0, known.head - SCAN_LIMIT - 1_000)

    def question(name: str, after: int = far, **parts: str) -> Question:
        event_filter = EventFilter.parse(**parts)
        return Question(f"GET /events?{name}", lambda _: audit.page(event_filter, after, 100))

    hour_later = datetime.fromtimestamp(known.at.timestamp() + 3_600, UTC).isoformat()
    return [
        question("after"),
        question("after&type=job_run.started", types="job_run.started"),
        question("after&type=repository.*, a page of nothing", types="repository.*"),
        question("after&actor, a page of nothing", actor="nobody"),
        question("subject", after=0, subject=f"job_run:{known.run_id}"),
        question("correlation", after=0, correlation=str(known.correlation_id)),
        question("since&until, an hour", after=0, since=known.at.isoformat(), until=hour_later),
        question("until, long ago", after=0, until="2020-01-01T00:00:00Z"),
    ]


def worker_questions(pool: AsyncConnectionPool[Connection]) -> list[Question]:
    beats = Heartbeats(pool, Quarantine(), logs_at=None)

    async def lives(connection: Connection) -> object:
        return await (await connection.execute(workers.LIVES, ("worker-1",))).fetchone()

    now = datetime.now(UTC)
    return [
        Question("worker: whom to start", lambda connection: select_anew(connection, now, 4)),
        Question(
            "worker: what missed its deadline",
            lambda connection: unfinished.overdue(connection, now, 500),
        ),
        Question(
            "worker: whose worker is gone", lambda connection: workers.orphaned(connection, 1)
        ),
        Question(
            "worker: what is to be canceled",
            lambda one: unfinished.cancel_requested(one, "worker-1"),
        ),
        Question("worker: who lives", lambda _: beats.living()),
        Question("worker: do I live", lives),
    ]


SPOIL_BACKLOG = """
    WITH jobs AS (
        UPDATE job_definitions SET max_concurrent_runs = 1 WHERE slug = 'job-000'
    ), holders AS (
        SELECT DISTINCT ON (slug) id FROM job_runs
        WHERE slug IN ('job-000', 'job-001') ORDER BY slug, id
    )
    UPDATE job_runs SET
        priority = CASE slug WHEN 'job-000' THEN 100 WHEN 'job-001' THEN 90 ELSE 80 END,
        concurrency_value = CASE slug WHEN 'job-001' THEN '"one tenant"' ELSE concurrency_value END,
        scheduled_at =
            CASE slug WHEN 'job-002' THEN scheduled_at + interval '1 year' ELSE scheduled_at END,
        status = CASE WHEN id IN (SELECT id FROM holders) THEN 'running' ELSE status END
    WHERE slug IN ('job-000', 'job-001', 'job-002')
"""
"""Puts a third of a backlog before the rest: runs of a full job, of a key that is taken, and
planned for later."""


def backlog_questions(suffix: str = "") -> list[Question]:
    """Return what workers ask where many runs are due."""
    now = datetime.now(UTC)
    title = f"backlog, {suffix}" if suffix else "backlog"
    return [
        Question(f"{title}: whom to start", lambda connection: select_anew(connection, now, 4)),
        Question(
            f"{title}: for how long jobs wait",
            lambda connection: oldest_pending(connection, {}, []),
        ),
    ]


class Lending:
    """Stands in for a pool: lends one connection, so that all questions are put on the same."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend it."""
        yield self._connection


def questions(known: Known, connection: Connection) -> list[Question]:
    """Return all questions, to be put on this connection."""
    pool = cast("AsyncConnectionPool[Connection]", Lending(connection))
    return [
        *job_questions(known),
        *run_questions(known),
        *search_questions(known),
        *single_run_questions(known, pool),
        *past_questions(known),
        *event_questions(known, pool),
        *app_questions(pool),
        *worker_questions(pool),
    ]
