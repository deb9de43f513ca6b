"""Fixtures of the tests of verify and rebuild."""

import pytest

from tests.recorded_logs import files, record, saved_views
from tests.support.databases import Filled
from tests.support.logs import parts


@pytest.fixture
async def filled_url(filled: Filled) -> str:
    """Return a database with something of everything in its tables."""
    return await filled("oldest_recording", _fold)


async def _fold(url: str) -> None:
    await record.fold(url, files.HERE / "0.3.0.dev4")
    async with parts(url) as part:
        await saved_views.views(part)
