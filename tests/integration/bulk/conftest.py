"""A database with a job and a worker, checked against its log at the end."""

from collections.abc import AsyncIterator

import pytest

from eventlog.database.connection import Database
from eventlog.rebuild.differences import Difference
from eventlog.rebuild.verify import verify
from projections.tables import TABLES
from tests.integration.bulk.scene import Scene
from tests.support.logs import Parts, registered
from tests.support.sample_logs.promises import keep


@pytest.fixture
async def scene(part: Parts) -> AsyncIterator[Scene]:
    await registered(part.jobs)
    await part.worker("w")
    yield Scene(part)
    differences: list[Difference] = []
    await verify(Database(part.url), TABLES, differences.append, lambda *_: None)
    assert differences == []
    await keep(Database(part.url))
