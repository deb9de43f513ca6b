"""Archives for tests: the archivist's role, archiving in this process, and the files."""

import argparse
import asyncio
from collections.abc import Callable
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import orjson

from domain.jobs.launching import Launch
from domain.jobs.run_events import Report
from eventlog.archive.archiver import ArchivedFile, archiver
from eventlog.archive.role import ensure_archivist
from eventlog.database.connection import Database
from eventlog.history.audit import Audit, EventFilter
from eventlog.keys import LogFiles
from eventlog.rebuild.differences import Difference
from eventlog.rebuild.verify import verify
from projections.envelope import Envelope
from projections.tables import TABLES
from tests.support.logs import TESTER, Parts, query, registered
from tests.support.processes import Process, started

NOW = timedelta(0)

ONE = Launch(parameters={"a": 1}, idempotency_key="one", body={"parameters": {"a": 1}})


async def archive_now(
    url: str,
    directory: Path,
    *,
    max_events: int = 100_000,
    older_than: timedelta = NOW,
    on_archived: Callable[[ArchivedFile], None] = lambda _: None,
) -> list[ArchivedFile]:
    """Archive every run that has ended, a certain time ago at least."""
    files = []
    async with (
        archiver(Database(url, LogFiles(directory)), make_role=True) as one,
        aclosing(one.archive(older_than, lambda *_: None, max_events)) as archived,
    ):
        async for file in archived:
            files.append(file)
            on_archived(file)
    return files


async def equal_to_log(url: str, directory: Path) -> bool:
    differences: list[Difference] = []
    checked = await verify(
        Database(url, LogFiles(directory)), TABLES, differences.append, lambda *_: None
    )
    return differences == [] and checked[0].events > 0


async def ended_run(part: Parts, launch: Launch = ONE) -> UUID:
    if not query(part.url, "SELECT 1 FROM job_definitions WHERE slug = 'job'"):
        await registered(part.jobs, "job")
        await part.worker("worker")
    run_id = (await part.jobs.launch("job", launch, TESTER)).run_id
    [claim] = await part.executions.claim("worker", 1)
    await part.executions.succeed(run_id, claim.holder, {"fine": True}, Report())
    return run_id


async def exported(
    part: Parts, event_filter: EventFilter | None = None, limit: int = 2_000
) -> list[Envelope]:
    """Return the matching events, or all, read page by page as an export does."""
    audit = Audit(part.pool, part.files)
    events: list[Envelope] = []
    position: int | None = 0
    while position is not None:
        page = await audit.page(event_filter or EventFilter(), position, limit)
        events += page.events
        position = page.next
    return events


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
    arguments = parser.parse_args()
    print("archiving", flush=True)

    def tell(file: ArchivedFile) -> None:
        print(orjson.dumps(file.present()).decode(), flush=True)

    asyncio.run(
        archive_now(
            arguments.url, arguments.directory, max_events=arguments.max_events, on_archived=tell
        )
    )


if __name__ == "__main__":
    main()
