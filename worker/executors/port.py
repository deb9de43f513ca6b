"""The port through which a worker runs attempts (`Executor`), and what crosses it."""

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
    """The input of an attempt.

    Attributes:
        run: the run's `id`, `slug`, `attempt`, `maxAttempts` and `context`.
        definition: the fields of the job's definition that handlers see.
        entry_point: the name of the handler.
        parameters: the run's parameters.
        inputs: data that the service has loaded for a built-in handler.
        settings: the operator's settings for the handler.
        timeout_ms: how long the attempt may run; None for no limit.
        memory_mb: the limit for the attempt and all its descendants together; None for no limit.
        deadline: when the timeout ends, as ISO 8601 by the service's clock; None for no limit.
        log_path: the file for the attempt's output.
        worker_labels: the labels that the job requires of a worker.
        personal: the names of parameters whose values must not be in error messages.
        traceparent: the span in which the handler runs; None if the run is not traced.
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

    def is_overdue(self, now: datetime) -> bool:
        """Return whether the deadline is over."""
        return self.deadline is not None and datetime.fromisoformat(self.deadline) <= now


OutcomeKind = Literal[
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
        kind: `result` or `error` if the handler returned or raised; `invalid` if the process sent
            an invalid message; `exit` or `signal` if the process ended by itself without a
            message; `lost` if nothing is left of the attempt, but its end is unknown; the others if
            it was ended.
        message: the last message of the process, or one that describes its end.
        metrics: the attempt's usage: `cpuSeconds`, `peakMemoryMb`.
    """

    kind: OutcomeKind
    message: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Capabilities:
    """What an executor can do for one attempt without affecting the others.

    Attributes:
        isolates: whether an attempt has a process, a directory and an environment of its own.
        kills: whether an attempt can be ended whatever it does.
        limits_memory: whether `resources.memoryMb` limits an attempt with its descendants alone.
    """

    isolates: bool
    kills: bool
    limits_memory: bool

    @property
    def isolation(self) -> Isolation:
        """The isolation level of the jobs whose attempts it may run."""
        return "process" if self == ISOLATED else "shared"


ISOLATED = Capabilities(isolates=True, kills=True, limits_memory=True)
"""The capabilities that jobs with `isolation: process` rely on."""

SHARED = Capabilities(isolates=False, kills=False, limits_memory=False)
"""Limits and kills affect a shared process with all of its attempts."""


class LeaseOverError(Exception):
    """The lease is over, so no attempt may begin: another worker may hold the run."""


def require_lease(until: float) -> None:
    """Check that a lease is not over.

    Args:
        until: the end of the lease, by the monotonic clock.

    Raises:
        LeaseOverError: the lease is over.
    """
    over_s = monotonic() - until
    if over_s > 0:
        raise LeaseOverError(f"the lease has been over for {over_s:.3f} s")


class Attempt(Protocol):
    """A running attempt."""

    @property
    def has_begun(self) -> bool:
        """Whether its handler may have been called; before that, it may wait for a node."""

    async def outcome(self) -> Outcome:
        """Wait until the attempt has ended, and nothing of it runs any more."""

    def cancel(self, grace_s: float) -> None:
        """Ask its handler to stop, and kill it after the grace time."""

    def stop(self) -> None:
        """Kill it because the worker stops."""


class Executor(Protocol):
    """Runs attempts. `docs/executors.md` describes the isolation of each implementation."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do for one attempt without affecting the others."""

    @property
    def capacity(self) -> float:
        """How many more attempts it can run, regardless of the worker's slots; inf for no limit."""

    async def aclose(self) -> None:
        """End the processes that wait for attempts."""

    def renew(self, until: float) -> None:
        """Extend the lease of all attempts to this time of the host's monotonic clock.

        An attempt whose lease is not renewed ends by itself.
        """

    def end_session(self) -> None:
        """Begin no attempt that was submitted before, since the worker's session is over.

        Running attempts have been stopped, but those on other hosts may not have been notified yet.
        """

    def use_packages(self, packages: Mapping[str, HandlerPackage]) -> None:
        """Run these handlers from now on, by entry point; running attempts are not affected."""

    def end_overdue(self, now: datetime) -> None:
        """End attempts whose deadline is over by a test service's clock, which can be moved."""

    async def submit(self, task: Task, on_update: OnUpdate, until: float) -> Attempt:
        """Start an attempt.

        Args:
            task: its input.
            on_update: called with each report of the handler.
            until: the end of its lease, by the monotonic clock, unless that is renewed. The process
                checks the lease again just before it calls the handler: if it is over by then, the
                attempt ends as `lease` without having begun.

        Raises:
            LeaseOverError: the lease is over; nothing was started.
        """
