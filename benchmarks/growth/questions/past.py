"""States of the past, and the log itself, as clients ask for them."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from psycopg_pool import AsyncConnectionPool

from api.views.lists import View, with_jobs
from benchmarks.growth.known import Known
from benchmarks.growth.questions.question import Question
from domain.quarantine import Quarantine
from eventlog.history.as_of import opened
from eventlog.history.audit import SCAN_LIMIT, Audit, EventFilter
from eventlog.history.run_changes import RunCounts
from eventlog.keys import LogFiles
from projections.rows import Connection
from projections.runs.lists import RunFilter


def past_questions(known: Known) -> list[Question]:
    def question(
        name: str, ask: Callable[[Any], Awaitable[object]], as_of: int | datetime | None
    ) -> Question:
        async def answer(connection: Connection) -> object:
            async with opened(connection, LogFiles(), as_of) as past:
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
        question("since&until, an hour", after=0, since=known.at.isoformat(), until=hour_later),
        question("until, long ago", after=0, until="2020-01-01T00:00:00Z"),
    ]
