"""A worker in this very process, whose parts a test may let fail.

Its attempts and PostgreSQL are real.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from domain.commands.executions import Executions
from eventlog.database.connection import Database
from eventlog.database.listener import Listener
from eventlog.pending_work import Work
from eventlog.workers import Heartbeats
from runtime.tasks import Supervision, TaskState
from tests.support.logs import Parts
from tests.support.packages import package_of
from worker.executors.local.executor import ProcessExecutor
from worker.logs.run_logs import DirectoryLogs
from worker.worker import Worker, WorkerSettings

SETTINGS = WorkerSettings(slots=2, lease_s=3.0, poll_s=0.1)


@dataclass(frozen=True)
class InProcessWorker:
    """A working worker.

    Attributes:
        ended: the task in which it works.
    """

    worker: Worker
    supervision: Supervision
    ended: "asyncio.Task[None]"

    def state(self, name: str) -> TaskState:
        """Return what is to be seen of a background task."""
        return {state.name: state for state in self.supervision.states()}[name]


@asynccontextmanager
async def working(
    part: Parts,
    logs: Path,
    *,
    executions: Executions | None = None,
    heartbeats: Heartbeats | None = None,
    settings: WorkerSettings = SETTINGS,
    executor: ProcessExecutor | None = None,
) -> AsyncIterator[InProcessWorker]:
    """Run a worker with the tests' handlers, and stop it."""
    packages = package_of("tests.support.handlers")
    supervision = Supervision()
    listener = Listener(Database(part.url))
    executor = executor or ProcessExecutor(packages, settings.slots)
    worker = Worker(
        settings,
        executions or part.executions,
        part.sweeps,
        heartbeats or part.heartbeats,
        Work(part.pool, part.files, listener, part.jobs.quarantine, part.writer.cache.queue),
        executor,
        packages,
        DirectoryLogs(logs),
        supervision,
    )
    await listener.start(supervision)
    ended = asyncio.create_task(worker.run())
    try:
        yield InProcessWorker(worker, supervision, ended)
    finally:
        worker.stop_now()
        await asyncio.wait([ended])
        await executor.aclose()
        await listener.stop()
