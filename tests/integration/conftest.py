"""Fixtures of the API's contract tests."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.integration.shared_api import SharedApi, shared_api
from tests.support import databases
from tests.support.sample_logs import shops
from tests.support.sample_logs.seals import SealedLog, keep, sealed_log


@pytest.fixture(scope="module")
def shared(
    database_server: str, shared_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedApi]:
    """Give an API that all tests of a module share."""
    with shared_api(database_server, shared_dir, tmp_path_factory.mktemp("data")) as api:
        yield api


@pytest.fixture(scope="module")
async def kept_log(
    database_server: str, shared_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[SealedLog]:
    """Give a sealed log and what restores it after each edit."""
    with databases.clone(database_server, databases.template(database_server, shared_dir)) as url:
        log = await sealed_log(url, tmp_path_factory.mktemp("sealed"))
        keep(log)
        yield log


@pytest.fixture
async def shop(database_url: str, tmp_path: Path) -> shops.Shop:
    """Give a database with a job that takes personal data."""
    return await shops.new_shop(database_url, tmp_path)
