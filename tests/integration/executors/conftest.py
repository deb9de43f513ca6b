"""A shared executor for the tests' handlers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.executors.submitting import Submitting
from tests.support.packages import package_of
from worker.executors.shared import SharedExecutor


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[Submitting]:
    """Give a shared executor for the tests' handlers."""
    where = SharedExecutor(package_of("tests.support.handlers"))
    yield Submitting(where, tmp_path)
    await where.aclose()
