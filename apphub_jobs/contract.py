"""The contract between the service and a handler: `execute(JobRunContext) -> JobResult`.

This is all that a handler may know of the service. It runs in a process that runs nothing else
meanwhile, in a working directory of its own that is removed afterwards; unless its job says that
attempts share a process.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast

from apphub_jobs.details import DefinitionDetails, RunDetails

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


class Unsaid(str):
    """A status that the handler did not choose."""

    __slots__ = ()


_SUCCEEDED = cast("Literal['succeeded']", Unsaid("succeeded"))


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """How a handler ended.

    Attributes:
        status: `failed` follows the retry policy; `canceled` and `expired` are final. Left out, it
            is `succeeded`; but `canceled` where the handler has seen `context.cancelled` set.
        result: what clients read as the run's `result`.
        error_message: why, where it is no success.
        metrics: merged into the run's.
        context: merged into the run's; these keys win.
        effects: only of a success, and of the built-in handlers alone.
    """

    status: Literal["succeeded", "failed", "canceled", "expired"] = _SUCCEEDED
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
        given: object = delay_ms
        # None has always meant the policy's own delay.
        if not isinstance(given, int | float | None):
            msg = f"delay_ms={given!r}: must be a number of milliseconds"
            raise TypeError(msg)
        self.delay_ms = delay_ms


@dataclass(frozen=True)
class JobRunContext:
    """What a handler is given.

    Attributes:
        definition: the job's definition in the version that the run is pinned to: `version`,
            `name`, `timeout_ms`, …; also by key, as clients see it.
        run: `id`, `slug`, `attempt`, `max_attempts`, `context` of the run; also by key.
        parameters: the validated parameters.
        inputs: what the service looked up for this job; empty for most.
        settings: what the operator decided for this handler; empty for most.
        logger: writes to the run's log, as all that is printed does.
        cancelled: set when somebody asked to cancel; return soon then, or be killed. Whoever has
            seen it set and returns ends the run as `canceled`, unless a `JobResult` says otherwise.
        deadline: when the attempt is killed; None if it has no limit.
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

    def update(
        self,
        *,
        progress: float | None = None,
        metrics: Mapping[str, Json] | None = None,
        context: Mapping[str, Json] | None = None,
        logs_url: str | None = None,
    ) -> None:
        """Show progress while running: each part is merged into what the run has.

        Frequent calls are gathered.

        Args:
            progress: how much is done, from 0 to 1; it becomes the metric `progress`.
            metrics: anything worth showing; the last value of a name counts.
            context: likewise, for what is no measure.
            logs_url: where the handler's own log is to be read.

        Raises:
            ValueError: the progress is not from 0 to 1; or metrics or context would have more than
                256 KiB as JSON with all that was reported before.
        """
        shown = dict(metrics or {})
        if progress is not None:
            if not 0 <= progress <= 1:
                msg = f"progress={progress}: must be from 0 to 1"
                raise ValueError(msg)
            shown["progress"] = progress
        self.send_report({"metrics": shown, "context": dict(context or {}), "logsUrl": logs_url})


Handler = Callable[[JobRunContext], object]
"""A handler, `def` or `async def`: it returns a `JobResult`, or the result alone: anything that
JSON can hold, a pydantic model or a dataclass. None means success without a result."""
