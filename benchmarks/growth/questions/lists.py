"""Lists and look-ups of jobs, runs and apps, as clients ask for them."""

from typing import Any
from uuid import UUID, uuid4

from psycopg_pool import AsyncConnectionPool

from api.views.lists import MAX_PART, PART_BYTES, Present, with_jobs
from benchmarks.growth.known import Known
from benchmarks.growth.questions.question import Question
from catalog import app_search, build_rows, repository_rows
from catalog.app_search import AppFilter
from domain.quarantine import Quarantine
from eventlog.history.reader import Reader
from eventlog.keys import LogFiles
from projections import job_definitions
from projections.rows import Connection
from projections.runs import lists
from projections.runs.lists import RunFilter

SHALLOW = 1_000
"""An offset that somebody may still page to; beyond lies what cursors are for."""


def _list(
    name: str, limit: int = 25, offset: int = 0, *, grows: str = "", **wanted: Any
) -> Question:
    async def ask(connection: Connection) -> object:
        seen = Present(connection)
        runs, _ = await seen.runs(RunFilter(**wanted), limit, offset)
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
        found = await seen.run(known.run_id)
        assert found is not None
        return await with_jobs(seen, [found], Quarantine())

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
        found = await app_search.find(connection, AppFilter(), "updated", 100, 0)
        ids = [UUID(bytes=found[at : at + 16]) for at in range(0, len(found), 16)]
        await app_search.facets(connection, AppFilter())
        part = await app_search.part(connection, ids)
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
