"""The words that a run's commands and events speak."""

from dataclasses import dataclass, field
from typing import Literal

from domain.json_values import JsonObject

Status = Literal["pending", "running", "succeeded", "failed", "canceled", "expired"]
STATUSES: tuple[Status, ...] = (
    "pending",
    "running",
    "succeeded",
    "failed",
    "canceled",
    "expired",
)
FINAL: frozenset[str] = frozenset({"succeeded", "failed", "canceled", "expired"})

FailureReason = Literal[
    "error",
    "permanent_error",
    "no_handler",
    "invalid_result",
    "exit",
    "signal",
    "out_of_memory",
    "worker_lost",
    "execution_timeout",
    "start_deadline",
    "handler",
]


@dataclass(frozen=True)
class Holder:
    """Who speaks for a running execution: the fence that every worker command must pass.

    Attributes:
        worker_id: the worker that claimed the run; unique to one start of one worker.
        execution: how often the run had been claimed then (1, 2, …); never used twice.
    """

    worker_id: str
    execution: int


def named(holder: Holder | None) -> str:
    """Return what errors call somebody who speaks for a run."""
    if holder is None:
        return "nobody"
    return f"{holder.execution} of worker {holder.worker_id}"


@dataclass(frozen=True)
class Report:
    """What a handler adds to its run: each part is merged into what is there, and its keys win."""

    metrics: JsonObject = field(default_factory=dict)
    context: JsonObject = field(default_factory=dict)
    logs_url: str | None = None


@dataclass(frozen=True)
class Failure:
    """Why an attempt failed, and whether another one makes sense.

    Attributes:
        retry_after_ms: the handler's own wish, instead of the policy's back-off; kept within 0 and
            a day.
    """

    message: str
    reason: FailureReason = "error"
    permanent: bool = False
    retry_after_ms: int | None = None
