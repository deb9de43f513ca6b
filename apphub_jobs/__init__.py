"""What people who write jobs import: the contract of handlers, and clients of the service.

Nothing of the service is imported here, so a job's process holds only this and the job's own code.
Begin with `contract.py`; `process/` is the program that runs handlers, `stream.py` the live stream.
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

__all__ = [
    "Effect",
    "Handler",
    "JobResult",
    "JobRunContext",
    "Json",
    "PermanentError",
    "RetryAfter",
]
