"""The contract between the service and a handler: `execute(JobRunContext) -> JobResult`.

A handler depends on nothing else of the service. Unless its job has shared isolation, it runs alone
in its process, in a working directory of its own that is removed afterwards.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast

from apphub_jobs.details import DefinitionDetails, RunDetails

Json = Any
"""Any JSON value."""


@dataclass(frozen=True)
class Effect:
    """A change beyond the run that a successful result makes, appended in the same unit.

    Attributes:
        kind: an effect that the service supports, such as `repository.ingested`.
        data: the effect's fields.
    """

    kind: str
    data: Mapping[str, Json]


class DefaultStatus(str):
    """A status that the handler did not set."""

    __slots__ = ()


_SUCCEEDED = cast("Literal['succeeded']", DefaultStatus("succeeded"))


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """How a handler ended.

    Attributes:
        status: `failed` follows the retry policy; `canceled` and `expired` are final. The default
            is `succeeded`, or `canceled` if the handler has seen `context.cancelled` set.
        result: the run's `result`.
        error_message: why the run did not succeed.
        logs_url: the address of the handler's own log.
        metrics: merged into the run's metrics.
        context: merged into the run's context; these keys win.
        effects: for built-in handlers only, and only with a success.
    """

    status: Literal["succeeded", "failed", "canceled", "expired"] = _SUCCEEDED
    result: Json = None
    error_message: str | None = None
    logs_url: str | None = None
    metrics: Mapping[str, Json] = field(default_factory=dict)
    context: Mapping[str, Json] = field(default_factory=dict)
    effects: Sequence[Effect] = ()


class PermanentError(Exception):
    """Raise it when another attempt would fail, too: the run fails without a retry."""


class RetryAfter(Exception):  # noqa: N818 - named for what it requests
    """Raise it to fail the attempt and set the delay before the next one.

    Raises:
        TypeError: the delay is not a number.
    """

    def __init__(
        self, delay_ms: int, message: str = "the handler asks for another attempt"
    ) -> None:
        super().__init__(message)
        value: object = delay_ms
        # None has always meant the delay of the retry policy.
        if not isinstance(value, int | float | None):
            msg = f"delay_ms={value!r}: must be a number of milliseconds"
            raise TypeError(msg)
        self.delay_ms = delay_ms


@dataclass(frozen=True)
class JobRunContext:
    """The argument of a handler.

    Attributes:
        definition: the job's definition in the version that the run is pinned to: `version`,
            `name`, `timeout_ms`, …; its keys are those of the API.
        run: `id`, `slug`, `attempt`, `max_attempts`, `context` of the run; its keys are those of
            the API.
        parameters: the validated parameters.
        inputs: data that the service loads for built-in handlers; else empty.
        settings: settings that the operator made for built-in handlers; else empty.
        logger: writes to the run's log, as `print` does.
        cancelled: set when cancellation is requested; return soon then, or the attempt is killed.
            A handler that has seen it set and returns ends the run as `canceled`, unless it
            returns a `JobResult` with a status.
        deadline: when the attempt is killed; None if it has no timeout.
        send_report: sends an `update` to the service.
        traceparent: the attempt's span, as W3C's header writes it: the parent of what the handler
            traces. None if neither the client nor the operator traces. Alone in its process, a
            handler also finds it in the variable `TRACEPARENT`.
    """

    definition: DefinitionDetails
    run: RunDetails
    parameters: Mapping[str, Json]
    inputs: Mapping[str, Json]
    settings: Mapping[str, Json]
    logger: logging.Logger
    cancelled: threading.Event
    deadline: datetime | None
    send_report: Callable[[Mapping[str, Json]], None]
    traceparent: str | None = None

    def update(
        self,
        *,
        progress: float | None = None,
        metrics: Mapping[str, Json] | None = None,
        context: Mapping[str, Json] | None = None,
        logs_url: str | None = None,
    ) -> None:
        """Report progress while running; each argument is merged into the run's.

        Frequent calls are batched.

        Args:
            progress: the fraction done, from 0 to 1; it becomes the metric `progress`.
            metrics: measurements by name; the last value of a name counts.
            context: other facts about the run by name; the last value of a name counts.
            logs_url: the address of the handler's own log.

        Raises:
            ValueError: the progress is not from 0 to 1; or all reported metrics, or context, of
                the attempt have more than 256 KiB as JSON.
        """
        reported_metrics = dict(metrics or {})
        if progress is not None:
            if not 0 <= progress <= 1:
                msg = f"progress={progress}: must be from 0 to 1"
                raise ValueError(msg)
            reported_metrics["progress"] = progress
        self.send_report(
            {"metrics": reported_metrics, "context": dict(context or {}), "logsUrl": logs_url}
        )


Handler = Callable[[JobRunContext], object]
"""A handler, `def` or `async def`. It returns a `JobResult`, or only the result: any JSON value, a
pydantic model or a dataclass. None means success without a result."""
