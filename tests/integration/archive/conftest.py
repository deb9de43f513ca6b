"""Fixtures of the tests of archives."""

from pathlib import Path
from uuid import UUID

import pytest

from domain.jobs.launching import Launch
from tests.support.logs import TESTER, parts
from tests.support.sample_logs.archives import archive_now, ended_run


@pytest.fixture
async def archived(database_url: str, tmp_path: Path) -> tuple[str, Path, UUID]:
    """Give a database with an archived run and another one; the directory; the archived run."""
    directory = tmp_path / "archive"
    async with parts(database_url, archive=directory) as part:
        run_id = await ended_run(part)
        await part.jobs.launch("job", Launch(delay_ms=3_600_000), TESTER)
        [file] = await archive_now(database_url, directory)
        assert (file.runs, file.events) == (1, 3)
    return database_url, directory, run_id
