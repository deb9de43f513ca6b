"""Whether a request that failed is sent again, and after which pause."""

import random

from apphub_jobs.client.errors import ApiError, UnreachableError
from apphub_jobs.client.requests import Request

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
"""Twice as long each time."""

NOTHING_WAS_DONE = frozenset(
    {
        "log_unavailable",
        "too_many_requests",
        "subject_keys_unavailable",
        "archive_unavailable",
    }
)
"""Codes of failures after which any request may be sent again."""

PASSING = frozenset({429, 502, 503, 504})
"""Statuses of failures that may be over soon."""


def pause_s(
    request: Request, error: ApiError | UnreachableError, attempt: int, left_s: float
) -> float | None:
    """Return how long to wait before the request is sent again; None if it must not be.

    Args:
        request: what was sent.
        error: what came of it.
        attempt: how often it was sent.
        left_s: for how long it may still be tried.
    """
    if not _may_be_repeated(request, error):
        return None
    waited_s = backed_off_s(attempt)
    if isinstance(error, ApiError) and error.retry_after_s is not None:
        waited_s = max(waited_s, error.retry_after_s)
    if waited_s > left_s:
        return None
    return waited_s


def backed_off_s(attempt: int) -> float:
    """Return the pause after so many attempts without success."""
    doubled_s = min(FIRST_PAUSE_S * 2.0 ** min(attempt - 1, 10), LONGEST_PAUSE_S)
    return doubled_s * random.uniform(0.5, 1)  # noqa: S311 - no secret


def _may_be_repeated(request: Request, error: ApiError | UnreachableError) -> bool:
    if isinstance(error, UnreachableError):
        return request.is_repeatable or not error.was_sent
    if error.status not in PASSING:
        return False
    return request.is_repeatable or error.code in NOTHING_WAS_DONE
