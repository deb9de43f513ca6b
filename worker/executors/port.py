"""Where attempts run: the port, and what goes through it."""

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
    """All that an attempt's process is told.

    Attributes:
        memory_mb: what the attempt and all its descendants may use together; None for no limit.
        worker_labels: what the job asks of whoever runs it.
        personal: the parameters whose values nothing that is said of a failure may name.
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
        kind: `result` and `error` as the handler ended; `invalid` where it said what nobody can
            read; `exit` and `signal` where the process ended by itself without a word; `lost`
            where nobody can say how, but nothing of it is left; the others where it was ended.
        message: the last message of the process, or what there is to say.
        metrics: what the attempt used: `cpuSeconds`, `peakMemoryMb`.
    """

    kind: Kind
    message: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Capabilities:
    """What an executor can do for one attempt without touching the others.

    Attributes:
        isolates: gives it a process, a directory and an environment of its own.
        kills: ends it whatever it does.
        limits_memory: holds it, with its descendants, to its own `resources.memoryMb`.
    """

    isolates: bool
    kills: bool
    limits_memory: bool

    @property
    def isolation(self) -> Isolation:
        """The isolation of those jobs that it may execute: the others wait for who can do more."""
        if self == APART:
            return "process"
        return "shared"


APART = Capabilities(isolates=True, kills=True, limits_memory=True)
"""What jobs with `isolation: process` rely on."""

TOGETHER = Capabilities(isolates=False, kills=False, limits_memory=False)
"""All of it is had for the process as a whole, and costs everybody in it."""


class LeaseOverError(Exception):
    """Nothing may begin any more: another worker may have the run."""


def need_lease(until: float) -> None:
    """Make sure that the lease holds until later than now.

    Raises:
        LeaseOverError: it does not.
    """
    over_s = monotonic() - until
    if over_s > 0:
        raise LeaseOverError(f"the lease has been over for {over_s:.3f} s")


class Attempt(Protocol):
    """A running attempt."""

    async def outcome(self) -> Outcome:
        """Wait for the end; nothing of the attempt runs any more then."""

    def cancel(self, grace_s: float) -> None:
        """Ask it to stop, and kill it after the grace time."""

    def stop(self) -> None:
        """Kill it because the worker stops."""


class Executor(Protocol):
    """Where attempts run. What each keeps apart is said in docs/executors.md."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do for one attempt alone."""

    @property
    def room(self) -> float:
        """For how many more attempts there is room, whatever slots are free; inf: for all."""

    async def aclose(self) -> None:
        """End what was started ahead of tasks that never came."""

    def renew(self, until: float) -> None:
        """Let what runs go on until this moment of the host's monotonic clock.

        Without renewal it ends by itself.
        """

    def end_session(self) -> None:
        """Begin nothing that was submitted before: the worker's registration is over.

        What runs has been stopped, but may not have heard of it where it is far away.
        """

    def offer(self, packages: Mapping[str, HandlerPackage]) -> None:
        """Run these handlers from now on, by entry point; what runs already goes on as it began."""

    def end_overdue(self, now: datetime) -> None:
        """End what is past its deadline by a clock that has been moved: that of a test service."""

    async def submit(self, task: Task, on_update: OnUpdate, until: float) -> Attempt:
        """Start an attempt; unless renewed, it ends at this moment of the monotonic clock.

        Its process looks at the clock as well, right before it calls the handler: an attempt whose
        lease is over by then ends as `lease` without having begun.

        Raises:
            LeaseOverError: that moment has passed; nothing was started.
        """
