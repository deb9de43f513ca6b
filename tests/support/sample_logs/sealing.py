"""A process that does nothing but seal, for tests that kill it.

python -m tests.support.sample_logs.sealing URL DIRECTORY
"""

import asyncio
import sys
from pathlib import Path

from tests.support.sample_logs.seals import SealedLog, sealer


async def main(url: str, directory: str) -> None:
    """Seal without a pause."""
    async with sealer(url, SealedLog(url, Path(directory)).how) as one:
        while True:
            await one.cycle()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
