"""A database with schedules, whose clock the test moves."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from domain.commands.schedules import Schedules
from eventlog.database.connection import Database
from eventlog.pending_work import Ticks
from eventlog.rebuild.differences import Difference
from eventlog.rebuild.verify import verify
from projections import schedules as table
from tests.integration.schedules.scene import Scene
from tests.support.logs import Parts, registered


@pytest.fixture
async def scene(part: Parts) -> AsyncIterator[Scene]:
    await registered(part.jobs)
    await part.worker("w")
    # Runs are due by the database's clock, so that of the test stays behind it.
    begun = part.jobs.clock().replace(second=0, microsecond=0) - timedelta(hours=2)
    made = Scene(part, Schedules(part.jobs), Ticks(part.pool, part.jobs.quarantine), begun)
    real = part.jobs.clock
    part.jobs.clock = lambda: made.now
    yield made
    part.jobs.clock = real
    differences: list[Difference] = []
    await verify(Database(part.url), [table.TABLE], differences.append, lambda *_: None)
    assert [one for one in differences if one.kind != "unreadable"] == []
