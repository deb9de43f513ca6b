"""All questions, put on one connection."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from psycopg_pool import AsyncConnectionPool

from benchmarks.growth.known import Known
from benchmarks.growth.questions.lists import (
    app_questions,
    job_questions,
    run_questions,
    search_questions,
    single_run_questions,
)
from benchmarks.growth.questions.past import event_questions, past_questions
from benchmarks.growth.questions.question import Question
from benchmarks.growth.questions.workers import worker_questions
from projections.rows import Connection


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
