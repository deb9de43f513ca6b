"""What the checker keeps: of a run as long as it has not ended, and of each job for good."""

from collections import Counter
from dataclasses import dataclass, field
from typing import cast

from domain.json_values import JsonObject


@dataclass(slots=True)
class Job:
    """A definition, and what of it is running.

    Attributes:
        version: the one in force; 0 where the log has told nothing of this job.
        max_concurrent_runs: that version's limit; None is no limit.
        running: how many runs of it are running, of whichever version.
        running_by_key: the same for each `concurrency_value`.
    """

    version: int = 0
    max_concurrent_runs: int | None = None
    running: int = 0
    running_by_key: Counter[str] = field(default_factory=Counter)

    def define(self, version: int, said: JsonObject) -> None:
        """Take in what a version of the definition says, or which of it is new."""
        self.version = version
        if "max_concurrent_runs" in said:
            self.max_concurrent_runs = cast("int | None", said["max_concurrent_runs"])


@dataclass(slots=True)
class LivingRun:
    """A run that has not ended, as its events so far left it.

    Attributes:
        definition_version: the version of its job that it was requested by.
        key: its `concurrency_value`: no two running runs of a job share one.
        due_at: no start before: `scheduled_at` or, later, `retry_at`.
        at: the time of its last event.
        execution: how often it was started.
        worker_id: who holds it; None while it is pending.
    """

    job: Job
    definition_version: int
    key: str | None
    max_attempts: int
    due_at: str
    start_deadline_at: str | None
    at: str
    attempt: int = 1
    execution: int = 0
    worker_id: str | None = None
    cancel_requested: bool = False

    @property
    def state(self) -> str:
        """Return the state, in the words of `docs/state-machine.md`."""
        if self.worker_id is None:
            if self.execution:
                return "pending again"
            return "pending"
        if self.cancel_requested:
            return "cancel requested"
        return "running"

    @property
    def has_attempts_left(self) -> bool:
        """Return whether another attempt may follow this one."""
        return self.attempt < self.max_attempts

    @property
    def holder(self) -> str:
        """Return who may speak for the run."""
        if self.worker_id is None:
            return "nobody"
        return f"execution {self.execution} of worker {self.worker_id}"
