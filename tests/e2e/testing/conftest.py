"""The fixtures as users have them, with the tests' jobs."""

from collections.abc import Sequence

import pytest

from apphub_jobs.testing import apphub_process, service

__all__ = ["apphub_handlers", "apphub_process", "service"]


@pytest.fixture(scope="session")
def apphub_handlers() -> Sequence[str]:
    return ["tests.e2e.testing.jobs"]
