"""Every kind of question that clients and workers put to tables and log, asked as they ask it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

from psycopg_pool import AsyncConnectionPool

from api.views.runs import Present, View, with_jobs
from benchmarks.growth.known import Known
from eventlog.history.as_of import opened
from eventlog.history.audit import SCAN_LIMIT, Audit
from eventlog.history.event_filter import EventFilter
from eventlog.history.reader import Reader
from eventlog.keys.log_files import LogFiles
from eventlog.workers import heartbeats
from eventlog.workers.heartbeats import Heartbeats
from projections import builds, job_definitions, repositories
from projections.repositories import AppFilter
from projections.rows import Connection
from projections.runs import claims, due, lists
from projections.runs.filter import RunFilter

SHALLOW = 1_000

"""An offset that somebody may still page to; beyond lies what cursors are for."""


@dataclass(frozen=True)
class Question:
    """A question.

    Attributes:
        grows: why it may take longer the more there is; empty where it must not.
    """

    name: str
    ask: Callable[[Connection], Awaitable[object]]
    grows: str = ""


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
        *_jobs(known),
        *_runs(known),
        *_searches(known),
        *_single_runs(known, pool),
        *_past(known),
        *_events(known, pool),
        *_apps(pool),
        *_workers(pool),
    ]


def _list(
    name: str, limit: int = 25, offset: int = 0, *, grows: str = "", **wanted: Any
) -> Question:
    async def ask(connection: Connection) -> object:
        seen = Present(connection)
        runs, _ = await seen.runs(RunFilter(**wanted), limit, offset)
        return await with_jobs(seen, runs)

    return Question(name, ask, grows)


def _jobs(known: Known) -> list[Question]:
    async def job(connection: Connection) -> object:
        seen = Present(connection)
        assert await seen.job(known.slug)
        return await seen.runs(RunFilter(definition_id=known.job_id), 10, 0)

    of_job: dict[str, Any] = {"definition_id": known.job_id}
    return [
        Question("GET /jobs", job_definitions.all_by_slug),
        Question("GET /jobs/{slug}", job),
        _list("GET /jobs/{slug}/runs?status=failed", 10, statuses=["failed"], **of_job),
        _list(
            "GET /jobs/{slug}/runs?status=failed,canceled",
            10,
            statuses=["failed", "canceled"],
            **of_job,
        ),
        _list(
            "GET /jobs/{slug}/runs?cursor, the middle",
            10,
            before_position=known.cursor,
            **of_job,
        ),
        _list(f"GET /jobs/{{slug}}/runs?offset={SHALLOW}", 10, SHALLOW, **of_job),
    ]


def _runs(known: Known) -> list[Question]:
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
        _list(
            "GET /job-runs?job&status=failed",
            definition_id=known.job_id,
            statuses=["failed"],
        ),
        _list("GET /job-runs?cursor, the middle", **middle),
        _list("GET /job-runs?cursor&status=failed", statuses=["failed"], **middle),
        _list(
            "GET /job-runs?cursor&status of those that ended", statuses=ended, **middle
        ),
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


def _searches(known: Known) -> list[Question]:
    run_id = str(known.run_id)
    return [
        _list("GET /job-runs?search, of one job", search="job-000"),
        _list("GET /job-runs?search, of a rare job", search="job-097"),
        _list("GET /job-runs?search, of ninety-eight jobs", search="job-"),
        _list("GET /job-runs?search, without a hit", search="no such thing"),
        _list("GET /job-runs?search, a run's id", search=run_id),
        _list("GET /job-runs?search, its first 11 characters", search=run_id[:11]),
        _list("GET /job-runs?search, the first 2 of most", search="01"),
        _list(
            "GET /job-runs?search&status=failed", search="job-0", statuses=["failed"]
        ),
        _list(
            "GET /job-runs?search&cursor, the middle",
            search="job-01",
            before_position=known.cursor,
        ),
    ]


def _single_runs(known: Known, pool: AsyncConnectionPool[Connection]) -> list[Question]:
    async def run(connection: Connection) -> object:
        seen = Present(connection)
        found = await seen.run(known.run_id)
        assert found is not None
        return await with_jobs(seen, [found])

    async def unknown(connection: Connection) -> object:
        return await lists.by_id(connection, uuid4())

    reader = Reader(pool, LogFiles())
    return [
        Question("GET /job-runs/{id}", run),
        Question("GET /job-runs/{id}, unknown", unknown),
        Question(
            "GET /job-runs/{id}/events", lambda _: reader.histories([known.run_id])
        ),
    ]


def _past(known: Known) -> list[Question]:
    def question(
        name: str, ask: Callable[[Any], Awaitable[object]], as_of: int | datetime | None
    ) -> Question:
        async def answer(connection: Connection) -> object:
            async with opened(connection, LogFiles(), as_of) as past:
                return await ask(past)

        return Question(name, answer)

    async def newest(seen: View) -> object:
        runs, _ = await seen.runs(RunFilter(), 25, 0)
        return await with_jobs(seen, runs)

    return [
        question("GET /job-runs/counts", lambda past: past.counts(None), None),
        question(
            "GET /job-runs/counts?job", lambda past: past.counts(known.job_id), None
        ),
        question(
            "GET /job-runs/counts?asOf", lambda past: past.counts(None), known.cursor
        ),
        question("GET /job-runs?asOf=position", newest, known.cursor),
        question("GET /job-runs?asOf=time", newest, known.at),
        question(
            "GET /job-runs?asOf&status=running",
            lambda past: past.runs(RunFilter(statuses=["running"]), 25, 0),
            known.cursor,
        ),
        question(
            "GET /job-runs/{id}?asOf", lambda past: past.run(known.run_id), known.cursor
        ),
    ]


def _events(known: Known, pool: AsyncConnectionPool[Connection]) -> list[Question]:
    audit = Audit(pool, LogFiles())

    # As far before the end as one page looks, so that there is as much to be looked at in every
    # log.
    far = max(0, known.head - SCAN_LIMIT - 1_000)

    def question(name: str, after: int = far, **parts: str) -> Question:
        wanted = EventFilter.parse(**parts)
        return Question(f"GET /events?{name}", lambda _: audit.page(wanted, after, 100))

    hour_later = datetime.fromtimestamp(known.at.timestamp() + 3_600, UTC).isoformat()
    return [
        question("after"),
        question("after&type=job_run.started", types="job_run.started"),
        question("after&type=repository.*, a page of nothing", types="repository.*"),
        question("after&actor, a page of nothing", actor="nobody"),
        question("subject", after=0, subject=f"job_run:{known.run_id}"),
        question("correlation", after=0, correlation=str(known.correlation_id)),
        question(
            "since&until, an hour",
            after=0,
            since=known.at.isoformat(),
            until=hour_later,
        ),
        question("until, long ago", after=0, until="2020-01-01T00:00:00Z"),
    ]


def _apps(pool: AsyncConnectionPool[Connection]) -> list[Question]:
    async def apps(connection: Connection) -> object:
        rows, _ = await repositories.list_apps(connection, AppFilter(), None, 0)
        return await builds.latest(connection, [str(row["id"]) for row in rows])

    counted = "meta.total counts the app's builds, off an index"
    reader = Reader(pool, LogFiles())
    return [
        Question("GET /apps", apps),
        Question(
            "GET /apps/{id}",
            lambda connection: repositories.by_client_id(connection, "app-03"),
        ),
        Question(
            "GET /apps/{id}/builds",
            lambda connection: builds.list_builds(connection, "app-03", 10, 0),
            counted,
        ),
        Question("the stream reads on", lambda _: reader.after(1_000)),
    ]


def _workers(pool: AsyncConnectionPool[Connection]) -> list[Question]:
    beats = Heartbeats(pool)

    async def lives(connection: Connection) -> object:
        return await (
            await connection.execute(heartbeats.LIVES, ("worker-1",))
        ).fetchone()

    now = datetime.now(UTC)
    return [
        Question(
            "worker: whom to start",
            lambda connection: claims.claim_candidates(connection, now, 4),
        ),
        Question("worker: when is the next due", due.next_due),
        Question(
            "worker: what missed its deadline",
            lambda connection: due.overdue(connection, now, 500),
        ),
        Question(
            "worker: whose worker is gone",
            lambda connection: heartbeats.orphaned(connection, 1),
        ),
        Question(
            "worker: what is to be canceled",
            lambda one: due.cancel_requested(one, "worker-1"),
        ),
        Question("worker: who lives", lambda _: beats.living()),
        Question("worker: do I live", lives),
    ]


def backlog_questions(suffix: str = "") -> list[Question]:
    """Return what workers ask where many runs are due."""
    now = datetime.now(UTC)
    told = f"backlog, {suffix}" if suffix else "backlog"
    return [
        Question(
            f"{told}: whom to start",
            lambda connection: claims.claim_candidates(connection, now, 4),
        ),
        Question(f"{told}: when is the next due", due.next_due),
    ]
