"""A process that goes on with bulk operations until it is killed.

python -m tests.integration.bulk.bulk_program DATABASE_URL
"""

import asyncio
import sys

from domain.commands.bulk import BulkSteps
from eventlog.history.as_of import PastRunSelector
from eventlog.pending_work import OpenOperations
from runtime.tasks import Supervision
from tests.support.logs import parts
from worker.followers import BulkWorker


async def main(url: str) -> None:
    """Go on."""
    async with parts(url) as part:
        steps = BulkSteps(part.jobs, PastRunSelector(part.pool, part.files))
        worker = BulkWorker(steps, OpenOperations(part.pool, part.jobs.quarantine))
        worker.start(Supervision())
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
