"""A database with a job that takes personal data, for tests of erasing somebody."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from domain.jobs.launching import Launch
from eventlog.database.connection import Database
from eventlog.keys import LogFiles, MasterKeyFile
from eventlog.rebuild.rebuild import RebuildResult, rebuild
from eventlog.rebuild.verify import verify
from projections import job_runs
from projections.tables import TABLES
from tests.support.logs import TESTER, Parts, parts, query, registered
from tests.support.sample_logs import promises
from tests.support.sample_logs.personal import GIVEN, SCHEMA


class Shop:
    """A database with a job that takes personal data."""

    def __init__(self, url: str, directory: Path) -> None:
        self.url = url
        self.key = directory / "subjects.key"
        self.archive = directory / "archive"

    @property
    def database(self) -> Database:
        return Database(self.url, LogFiles(self.archive, MasterKeyFile(self.key)))

    @asynccontextmanager
    async def parts(self) -> AsyncIterator[Parts]:
        async with parts(self.url, subject_key=self.key, archive=self.archive) as part:
            yield part

    async def ended(self, part: Parts, **parameters: Any) -> UUID:
        """Launch a run and end it."""
        run_id = (
            await part.jobs.launch("job", Launch(parameters={**GIVEN, **parameters}), TESTER)
        ).run_id
        await part.jobs.cancel(run_id, None, TESTER)
        return run_id

    async def verify(self) -> None:
        checked = await verify(self.database, TABLES, _fail, lambda *_: None)
        assert sum(one.differences for one in checked) == 0
        await promises.keep(self.database)

    async def rebuild(self) -> RebuildResult:
        return await rebuild(self.database, job_runs.TABLE, _fail, lambda *_: None)

    def parameters(self) -> list[Any]:
        return [
            row[0]
            for row in query(self.url, "SELECT parameters FROM job_runs ORDER BY created_position")
        ]


def _fail(difference: object) -> None:
    raise AssertionError(difference)


async def new_shop(url: str, directory: Path) -> Shop:
    """Register the job."""
    made = Shop(url, directory)
    async with made.parts() as part:
        await registered(part.jobs, parameters_schema=SCHEMA)
    return made
