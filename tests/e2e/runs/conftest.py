"""A service at work for tests that need no worker of their own."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.support import at_work


@pytest.fixture(scope="package")
def shared(
    database_server: str, shared_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """Give a client of an API and its worker; the tests keep apart by the slugs they use."""
    data_dir = tmp_path_factory.mktemp("data")
    with at_work(database_server, shared_dir, data_dir, "--no-handler-after-s", "0.2") as client:
        yield client
