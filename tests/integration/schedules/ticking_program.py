"""A process that decides ticks on a clock which goes faster than others, until it is killed.

    python -m tests.integration.schedules.ticking_program DATABASE_URL BEGUN SPEED

The clock of all such processes shows `BEGUN`, seconds since 1970, at that moment.
"""

import asyncio
import sys
import time
from datetime import UTC, datetime
from random import SystemRandom

from domain.commands.schedules import Schedules
from eventlog.pending_work import Ticks
from runtime.tasks import Supervision
from tests.support.logs import parts
from worker.ticker import Ticker


async def main(url: str, begun_s: float, speed: float) -> None:
    """Tick."""

    def clock() -> datetime:
        passed_s = (time.time() - begun_s) * speed
        return datetime.fromtimestamp(begun_s + passed_s, UTC)

    async with parts(url) as part:
        part.jobs.clock = clock
        ticks = Ticks(part.pool, part.jobs.quarantine)
        ticker = Ticker(Schedules(part.jobs), ticks, clock, SystemRandom())
        ticker.start(Supervision())
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3])))
