"""The response of `GET /ready`: whether the process can serve, and if not, why."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from psycopg_pool import AsyncConnectionPool

from domain.errors import LogUnavailableError
from eventlog.database.connection import borrowed
from eventlog.measures import FollowerLag, follower_lag
from migrations.runner import HEAD
from projections.rows import Connection
from runtime.tasks import TaskState

READY_TIMEOUT_S = 2.0
"""The database has to answer within this time."""

LATE_S = 5.0
"""A reader or a sealer that is further behind than this counts as stuck."""


@dataclass(frozen=True)
class Readiness:
    """Checks whether this process can serve.

    Attributes:
        read_position: returns the position up to which this process has read the log.
        tasks: returns the states of its background tasks.
        seal_every_s: how often it seals the log; None where it does not.
    """

    pool: AsyncConnectionPool[Connection]
    read_position: Callable[[], int]
    tasks: Callable[[], Sequence[TaskState]]
    seal_every_s: float | None

    async def reasons_not_ready(self) -> list[str]:
        """Return the reasons why this process cannot serve, in sentences; empty if it can."""
        task_reasons = reasons_of_tasks(self.tasks())
        try:
            async with asyncio.timeout(READY_TIMEOUT_S), borrowed(self.pool) as connection:
                lag = await follower_lag(connection, self.read_position())
        except LogUnavailableError as error:
            return [f"database: {error}", *task_reasons]
        except TimeoutError:
            timeout = f"database: it did not answer within {READY_TIMEOUT_S:g} s"
            return [timeout, *task_reasons]
        return [*reasons_of_progress(lag, self.seal_every_s), *task_reasons]


def reasons_of_progress(lag: FollowerLag, seal_every_s: float | None) -> list[str]:
    """Return what is wrong with the schema, the reader and the sealer, in sentences."""
    reasons: list[str] = []
    schema = lag["schema"]
    # A newer schema is no reason: this version continues to serve during a rolling upgrade.
    if schema is None or schema < HEAD:
        reasons.append(
            f"migrations: the schema is {schema}, this version needs {HEAD};"
            " run: apphub-jobs migrate"
        )
    unread_s = lag["unread_s"]
    if unread_s is not None and unread_s > LATE_S:
        reasons.append(f"reader: an event has waited for {unread_s:.0f} s to be read")
    unsealed_s = lag["unsealed_s"]
    if seal_every_s is None or unsealed_s is None:
        return reasons
    if unsealed_s > LATE_S + seal_every_s:
        reasons.append(f"sealer: an event has waited for {unsealed_s:.0f} s to be sealed")
    return reasons


def reasons_of_tasks(tasks: Sequence[TaskState]) -> list[str]:
    """Return which background tasks do not run, and their last errors, in sentences."""
    return [
        f"task {task.name}: {task.status}, died {task.deaths} times: {task.last_error}"
        for task in tasks
        if task.status != "running"
    ]
