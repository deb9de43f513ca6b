"""For tests of jobs: `call` runs one in the test's own process, `service` is a real service.

`pytest_plugins = ["apphub_jobs.testing"]` in the root's `conftest.py` gives the fixture `service`.
All of it stands in `service.py`.
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
