"""The port through which a worker runs attempts, and the messages that cross it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any, Literal, Protocol

from domain.workers import Isolation
from worker.executors.packages import HandlerPackage

OnUpdate = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, kw_only=True)
class Task:
    """The input of an attempt's process.

    Attributes:
        memory_mb: the limit for the attempt and all its descendants together; None for no limit.
        worker_labels: the labels that the job requires of a worker.
        personal: the parameters whose values no message about a failure may contain.
        traceparent: the span in which the handler runs; None if nobody traces it.
    """

    run: Mapping[str, Any]
    definition: Mapping[str, Any]
    entry_point: str
    parameters: Mapping[str, Any]
    inputs: Mapping[str, Any]
    settings: Mapping[str, Any]
    timeout_ms: int | None
    memory_mb: int | None
    deadline: str | None
    log_path: Path
    worker_labels: Mapping[str, str] = field(default_factory=dict)
    personal: Sequence[str] = ()
    traceparent: str | None = None


Kind = Literal[
    "result",
    "error",
    "invalid",
    "exit",
    "signal",
    "out_of_memory",
    "timeout",
    "canceled",
    "stopped",
    "lease",
    "lost",
]


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        kind: `result` and `error` as the handler ended; `invalid` where its message cannot be
            read; `exit` and `signal` where the process ended by itself without a message; `lost`
            where its end is unknown, but nothing of it is left; the others where it was ended.
        message: the last message of the process, or one that describes its end.
        metrics: what the attempt used: `cpuSeconds`, `peakMemoryMb`.
    """

    kind: Kind
    message: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Capabilities:
    """What an executor can do for one attempt without affecting the others.

    Attributes:
        isolates: whether it has a process, a directory and an environment of its own.
        kills: whether it can be ended whatever it does.
        limits_memory: whether `resources.memoryMb` holds for it and its descendants alone.
    """

    isolates: bool
    kills: bool
    limits_memory: bool

    @property
    def isolation(self) -> Isolation:
        """The isolation level of the jobs that it may execute."""
        return "process" if self == ISOLATED else "shared"


ISOLATED = Capabilities(isolates=True, kills=True, limits_memory=True)
"""The capabilities that jobs with `isolation: process` rely on."""

SHARING = Capabilities(isolates=False, kills=False, limits_memory=False)
"""Limits and kills affect the process as a whole, with all of its attempts."""


class LeaseOverError(Exception):
    """The lease is over, so no attempt may begin: another worker may have the run."""


def require_lease(until: float) -> None:
    """Require a lease that still holds.

    Args:
        until: its end, by the monotonic clock.

    Raises:
        LeaseOverError: it is over.
    """
    over_s = monotonic() - until
    if over_s > 0:
        raise LeaseOverError(f"the lease has been over for {over_s:.3f} s")


class Attempt(Protocol):
    """A running attempt."""

    @property
    def has_begun(self) -> bool:
        """Whether its handler may have been called; until then it waits, as for a node."""

    async def outcome(self) -> Outcome:
        """Wait for the end; nothing of the attempt runs any more then."""

    def cancel(self, grace_s: float) -> None:
        """Ask its handler to stop, and kill it after the grace time."""

    def stop(self) -> None:
        """Kill it because the worker stops."""


class Executor(Protocol):
    """Runs attempts. docs/executors.md says what each implementation isolates."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do for one attempt alone."""

    @property
    def capacity(self) -> float:
        """How many more attempts it can run, whatever slots are free; inf for no limit."""

    async def aclose(self) -> None:
        """End the processes that wait for attempts."""

    def renew(self, until: float) -> None:
        """Extend the lease of all attempts to this time of the host's monotonic clock.

        Without renewal they end by themselves.
        """

    def end_session(self) -> None:
        """Begin no attempt that was submitted before: the worker's session is over.

        Running attempts have been stopped, but distant ones may not have been notified yet.
        """

    def offer(self, packages: Mapping[str, HandlerPackage]) -> None:
        """Run these handlers from now on, by entry point; running attempts are not affected."""

    def end_overdue(self, now: datetime) -> None:
        """End attempts past their deadline by a test service's clock, which can be moved."""

    async def submit(self, task: Task, on_update: OnUpdate, until: float) -> Attempt:
        """Start an attempt.

        Args:
            task: its input.
            on_update: called with each of its reports.
            until: the end of its lease, by the monotonic clock, unless it is renewed. Its process
                checks this again right before it calls the handler: if the lease is over by then,
                the attempt ends as `lease` without having begun.

        Raises:
            LeaseOverError: the lease is over; nothing was started.
        """
