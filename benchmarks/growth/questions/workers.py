"""What workers ask, again and again."""

from datetime import UTC, datetime

from psycopg_pool import AsyncConnectionPool

from benchmarks.growth.questions.question import Question
from domain.quarantine import Quarantine
from eventlog import workers
from eventlog.workers import Heartbeats
from projections.flow import unfinished
from projections.rows import Connection
from tests.support.logs import select_anew


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
