"""Archives for tests: the archivist's role, archiving in this process, and the files."""

import argparse
import asyncio
from collections.abc import Callable
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path

import orjson

from eventlog.archive.archiver import Archived, archiver
from eventlog.archive.role import ensure_archivist
from eventlog.database.connection import Database
from eventlog.keys.log_files import LogFiles
from tests.support.processes import Process, started

NOW = timedelta(0)


async def archive_now(
    url: str,
    directory: Path,
    *,
    max_events: int = 100_000,
    older_than: timedelta = NOW,
    told: Callable[[Archived], None] = lambda _: None,
) -> list[Archived]:
    """Archive every run that has ended, a certain time ago at least."""
    files = []
    async with (
        archiver(Database(url, LogFiles(directory)), make_role=True) as one,
        aclosing(one.archive(older_than, lambda *_: None, max_events)) as archived,
    ):
        async for file in archived:
            files.append(file)
            told(file)
    return files


def files_in(directory: Path) -> list[Path]:
    """Return the complete archive files."""
    return sorted(directory.glob("*.jsonl.gz"))


async def make_role(url: str) -> None:
    """Let the archivist's role be there, as a server's owner does."""
    async with await Database(url).connect() as connection:
        await ensure_archivist(connection, make=True)


def run_command(url: str, tmp_path: Path, *arguments: str) -> Process:
    """Run `apphub-jobs` to its end."""
    with started(
        *arguments, "--data-dir", str(tmp_path / "data"), APPHUB_DATABASE_URL=url
    ) as process:
        process.popen.wait(60)
    return process


def main() -> None:
    """Archive in a process of one's own, for tests that kill it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--max-events", type=int, required=True)
    parser.add_argument("url")
    parser.add_argument("directory", type=Path)
    given = parser.parse_args()
    print("archiving", flush=True)

    def tell(file: Archived) -> None:
        print(orjson.dumps(file.present()).decode(), flush=True)

    asyncio.run(archive_now(given.url, given.directory, max_events=given.max_events, told=tell))


if __name__ == "__main__":
    main()
