"""The SDK: handlers, typed jobs, clients of the service, and tests of jobs.

It imports nothing of the service, so a handlers' process has only the SDK and the job's code in
memory. Begin with `contract.py`; `typed/` makes jobs of functions, `process/` has the programs that
run handlers, `client/` calls the service over HTTP, `testing/` tests jobs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from apphub_jobs.contract import (
    Effect,
    Handler,
    JobResult,
    JobRunContext,
    Json,
    PermanentError,
    RetryAfter,
)
from apphub_jobs.details import DefinitionDetails, RunDetails
from apphub_jobs.typed.job import Job, job
from apphub_jobs.typed.reading import JobDefinitionError

if TYPE_CHECKING:
    from apphub_jobs.client import AsyncClient, AsyncRun, Client, Run

__all__ = [
    "AsyncClient",
    "AsyncRun",
    "Client",
    "DefinitionDetails",
    "Effect",
    "Handler",
    "Job",
    "JobDefinitionError",
    "JobResult",
    "JobRunContext",
    "Json",
    "PermanentError",
    "RetryAfter",
    "Run",
    "RunDetails",
    "job",
]


def __getattr__(name: str) -> Any:
    """Import the clients lazily: handlers' processes need none."""
    if name in {"AsyncClient", "AsyncRun", "Client", "Run"}:
        return getattr(import_module("apphub_jobs.client"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
