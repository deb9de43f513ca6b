"""Clients of the service: the synchronous `Client`, and `AsyncClient` with the same methods.

Begin with `asynchronous.py`; `docs/generate_client.py` generates `synchronous.py` from it. Both
share `requests/`, `http.py` and `documents.py`, which do no I/O.
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
from apphub_jobs.client.http import stream_of
from apphub_jobs.client.requests.runs import ExplanationDocument, ReasonDocument, RelatedDocument
from apphub_jobs.client.requests.statistics import (
    BucketDocument,
    FailuresOverTimeDocument,
    ScheduleRunsDocument,
    StatisticsDocument,
)
from apphub_jobs.client.requests.views import ViewDocument
from apphub_jobs.client.requests.workers import WorkerDocument
from apphub_jobs.client.synchronous import Client, Run
from apphub_jobs.errors import ClientError, MissingFieldError, StreamRefusedError

__all__ = [
    "AccessError",
    "ApiError",
    "AsyncClient",
    "AsyncRun",
    "BucketDocument",
    "BulkDocument",
    "BulkPreviewDocument",
    "Client",
    "ClientError",
    "ComingTickDocument",
    "ConflictError",
    "ExplanationDocument",
    "FailureDocument",
    "FailuresOverTimeDocument",
    "InvalidRequestError",
    "JobDocument",
    "Message",
    "MissingFieldError",
    "NotFoundError",
    "OutcomeUnknownError",
    "ReasonDocument",
    "RefusalDocument",
    "RelatedDocument",
    "Run",
    "RunCanceledError",
    "RunDocument",
    "RunEndedError",
    "RunExpiredError",
    "RunFailedError",
    "ScheduleDocument",
    "ScheduleRunsDocument",
    "StatisticsDocument",
    "StreamRefusedError",
    "TickDocument",
    "TooManyRequestsError",
    "UnavailableError",
    "UnreachableError",
    "ViewDocument",
    "WaitTimeoutError",
    "WorkerDocument",
    "stream_of",
]
