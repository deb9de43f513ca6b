"""The contract between the service and a handler: `execute(JobRunContext) -> JobResult`.

This is all that a handler may know of the service. It runs in a process that runs nothing else
meanwhile, in a working directory of its own that is removed afterwards.
"""

import logging
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Json = Any
"""Anything that JSON can hold."""


@dataclass(frozen=True)
class Effect:
    """What a successful result changes beyond its run, appended in one unit with it.

    Attributes:
        kind: which of the effects that the service knows, such as `repository.ingested`.
        data: its fields.
    """

    kind: str
    data: Mapping[str, Json]


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """How a handler ended.

    Attributes:
        status: `failed` follows the retry policy; `canceled` and `expired` are final.
        result: what clients read as the run's `result`.
        error_message: why, where it is no success.
        metrics: merged into the run's.
        context: merged into the run's; these keys win.
        effects: only of a success.
    """

    status: Literal["succeeded", "failed", "canceled", "expired"] = "succeeded"
    result: Json = None
    error_message: str | None = None
    logs_url: str | None = None
    metrics: Mapping[str, Json] = field(default_factory=dict)
    context: Mapping[str, Json] = field(default_factory=dict)
    effects: Sequence[Effect] = ()


class PermanentError(Exception):
    """Raise it where another attempt would fail, too: the run fails for good."""


class RetryAfter(Exception):  # noqa: N818 - it reads as what it asks for
    """Raise it to choose the wait before the next attempt oneself."""

    def __init__(
        self, delay_ms: int, message: str = "the handler asks for another attempt"
    ) -> None:
        super().__init__(message)
        self.delay_ms = delay_ms


@dataclass(frozen=True)
class JobRunContext:
    """What a handler is given.

    Attributes:
        definition: the job's definition in the version that the run is pinned to, as clients see
            it.
        run: `id`, `slug`, `attempt`, `maxAttempts`, `context` of the run.
        parameters: the validated parameters.
        inputs: what the service looked up for this job; empty for most.
        settings: what the operator decided for this handler; empty for most.
        logger: writes to the run's log, as all that is printed does.
        cancelled: set when somebody asked to cancel; return soon then, or be killed.
        deadline: when the attempt is killed; None if it has no limit.
    """

    definition: Mapping[str, Json]
    run: Mapping[str, Json]
    parameters: Mapping[str, Json]
    inputs: Mapping[str, Json]
    settings: Mapping[str, Json]
    logger: logging.Logger
    cancelled: threading.Event
    deadline: datetime | None
    send_report: Callable[[Mapping[str, Json]], None]

    def update(
        self,
        *,
        metrics: Mapping[str, Json] | None = None,
        context: Mapping[str, Json] | None = None,
        logs_url: str | None = None,
    ) -> None:
        """Show progress while running: each part is merged into what the run has.

        Frequent calls are gathered.
        """
        self.send_report(
            {
                "metrics": dict(metrics or {}),
                "context": dict(context or {}),
                "logsUrl": logs_url,
            }
        )


Handler = (
    Callable[[JobRunContext], JobResult | None]
    | Callable[[JobRunContext], Awaitable[JobResult | None]]
)
"""A handler; returning None means success without a result."""
