"""A service at work for the tests of the clients."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from apphub_jobs import Client
from tests.e2e.support import at_work


@pytest.fixture(scope="package")
def service_url(
    database_server: str, shared_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Give the address of an API beside whose worker all of these tests run."""
    data_dir = tmp_path_factory.mktemp("data")
    options = ("--handlers", "tests.support.handlers.typed")
    with at_work(database_server, shared_dir, data_dir, *options) as http:
        yield str(http.base_url)


@pytest.fixture
def client(service_url: str) -> Iterator[Client]:
    """Give a client that blocks."""
    with Client(service_url) as client:
        yield client
