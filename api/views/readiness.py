"""Whether this process can serve, and if not, why: the answer of `GET /ready`."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from psycopg_pool import AsyncConnectionPool

from domain.errors import LogUnavailableError
from eventlog.database.connection import borrowed
from eventlog.database.progress import Progress, progress
from migrations.runner import HEAD
from projections.rows import Connection
from runtime.supervision import TaskState

PATIENCE_S = 2.0
"""Within so long the database has to answer."""

LATE_S = 5.0
"""A reader or a sealer that is further behind than this does not follow any more."""


@dataclass(frozen=True)
class Readiness:
    """Whoever knows whether this process can serve.

    Attributes:
        read: returns the position up to which this process has read the log.
        tasks: returns the states of its background tasks.
        seal_every_s: how often it seals the log; None where it does not.
    """

    pool: AsyncConnectionPool[Connection]
    read: Callable[[], int]
    tasks: Callable[[], Sequence[TaskState]]
    seal_every_s: float | None

    async def reasons_against(self) -> list[str]:
        """Ask the database, and return what keeps this process from serving; mostly nothing."""
        about_tasks = reasons_of_tasks(self.tasks())
        try:
            async with asyncio.timeout(PATIENCE_S), borrowed(self.pool) as connection:
                found = await progress(connection, self.read())
        except LogUnavailableError as error:
            return [f"database: {error}", *about_tasks]
        except TimeoutError:
            late = f"database: it did not answer within {PATIENCE_S:g} s"
            return [late, *about_tasks]
        return [*reasons_of_progress(found, self.seal_every_s), *about_tasks]


def reasons_of_progress(found: Progress, seal_every_s: float | None) -> list[str]:
    """Return what the database shows to be wrong."""
    reasons: list[str] = []
    schema = found["schema"]
    # Beside a newer version, which has migrated, this one goes on serving.
    if schema is None or schema < HEAD:
        differs = f"the schema is {schema}, this version needs {HEAD}"
        reasons.append(f"migrations: {differs}; run: apphub-jobs migrate")
    unread_s = found["unread_s"]
    if unread_s is not None and unread_s > LATE_S:
        told = f"reader: an event has waited for {unread_s:.0f} s to be read"
        reasons.append(told)
    unsealed_s = found["unsealed_s"]
    if seal_every_s is None or unsealed_s is None:
        return reasons
    if unsealed_s > LATE_S + seal_every_s:
        reasons.append(
            f"sealer: an event has waited for {unsealed_s:.0f} s to be sealed"
        )
    return reasons


def reasons_of_tasks(tasks: Sequence[TaskState]) -> list[str]:
    """Return which background tasks do not run, and what they died of."""
    return [
        f"task {task.name}: {task.status}, died {task.deaths} times: {task.last_error}"
        for task in tasks
        if task.status != "running"
    ]
