"""Clients of the service: `Client`, and `AsyncClient` with the same methods to be awaited.

Begin with `asynchronous.py`; `synchronous.py` is generated from it by `docs/generate_client.py`.
What neither awaits nor sends stands in `requests/`, `http.py` and `documents.py`; both share it.
"""

from apphub_jobs.client.asynchronous import AsyncClient, AsyncRun
from apphub_jobs.client.documents import (
    BulkDocument,
    BulkPreviewDocument,
    ComingTickDocument,
    FailureDocument,
    JobDocument,
    Message,
    RefusalDocument,
    RunDocument,
    ScheduleDocument,
    TickDocument,
)
from apphub_jobs.client.errors import (
    AccessError,
    ApiError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    RunCanceledError,
    RunEndedError,
    RunExpiredError,
    RunFailedError,
    TooManyRequestsError,
    UnavailableError,
    UnreachableError,
    WaitTimeoutError,
)
from apphub_jobs.client.requests.runs import ExplanationDocument, ReasonDocument
from apphub_jobs.client.requests.workers import WorkerDocument
from apphub_jobs.client.synchronous import Client, Run
from apphub_jobs.errors import ClientError, StreamRefusedError

__all__ = [
    "AccessError",
    "ApiError",
    "AsyncClient",
    "AsyncRun",
    "BulkDocument",
    "BulkPreviewDocument",
    "Client",
    "ClientError",
    "ComingTickDocument",
    "ConflictError",
    "ExplanationDocument",
    "FailureDocument",
    "InvalidRequestError",
    "JobDocument",
    "Message",
    "NotFoundError",
    "OutcomeUnknownError",
    "ReasonDocument",
    "RefusalDocument",
    "Run",
    "RunCanceledError",
    "RunDocument",
    "RunEndedError",
    "RunExpiredError",
    "RunFailedError",
    "ScheduleDocument",
    "StreamRefusedError",
    "TickDocument",
    "TooManyRequestsError",
    "UnavailableError",
    "UnreachableError",
    "WaitTimeoutError",
    "WorkerDocument",
]
