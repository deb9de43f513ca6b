"""Tests of jobs: `call` runs a job in the test's process, `service` is a fixture with a service.

`pytest_plugins = ["apphub_jobs.testing"]` in the root `conftest.py` provides the fixture
`service`. Everything is in `service.py`.
"""

from apphub_jobs.testing.service import (
    JobService,
    acall,
    apphub_handlers,
    apphub_process,
    call,
    service,
)

__all__ = ["JobService", "acall", "apphub_handlers", "apphub_process", "call", "service"]
