"""What people who write jobs import: the contract of handlers, and clients of the service.

Nothing of the service is imported here, so a job's process holds only this and the job's own code.
Begin with `contract.py`; `typed/` makes jobs of functions, `process/` is the program that runs
handlers, `stream.py` the live stream.
"""

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
from apphub_jobs.typed.decorator import job
from apphub_jobs.typed.job import Job
from apphub_jobs.typed.reading import JobDefinitionError

__all__ = [
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
    "RunDetails",
    "job",
]
