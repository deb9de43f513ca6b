"""A process that goes on with bulk operations until it is killed.

python -m tests.integration.bulk.bulk_program DATABASE_URL
"""

import asyncio
import sys

from domain.commands.bulk.steps import BulkSteps
from eventlog.history.selected import Selected
from eventlog.queue.open_operations import OpenOperations
from runtime.supervision import Supervision
from tests.support.logs import parts
from worker.lifecycle.bulk.going_on import BulkWorker


async def main(url: str) -> None:
    """Go on."""
    async with parts(url) as part:
        steps = BulkSteps(part.jobs, Selected(part.pool, part.files))
        worker = BulkWorker(steps, OpenOperations(part.pool, part.jobs.quarantine))
        worker.start(Supervision())
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
