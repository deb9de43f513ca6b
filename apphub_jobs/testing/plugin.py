"""Fixtures for pytest: a real service, started once a session and emptied for each test."""

from collections.abc import Iterator, Sequence

import pytest

from apphub_jobs.client import Client
from apphub_jobs.testing.process import running
from apphub_jobs.testing.service import JobService


@pytest.fixture(scope="session")
def apphub_handlers() -> Sequence[str]:
    """Name the modules of the jobs; define a fixture of this name in your `conftest.py`."""
    return ()


@pytest.fixture(scope="session")
def apphub_process(
    apphub_handlers: Sequence[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Give the address of a service that all tests of the session share."""
    directory = tmp_path_factory.mktemp("apphub")
    with running(directory, apphub_handlers) as url:
        yield url


@pytest.fixture
def service(apphub_process: str) -> Iterator[JobService]:
    """Give an empty service, whose clock stands at the real present."""
    with Client(apphub_process, timeout=60) as client:
        service = JobService(client)
        service.empty()
        yield service
