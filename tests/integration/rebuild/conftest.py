"""Fixtures of the tests of verify and rebuild."""

import pytest

from tests.recorded_logs import files, record


@pytest.fixture
async def filled_url(database_url: str) -> str:
    """Return a database with something of everything in its tables."""
    await record.fold(database_url, files.HERE / "0.1.0")
    return database_url
