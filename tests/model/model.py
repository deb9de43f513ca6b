"""What the service promises, said as plainly as can be: no log, no time but the order of things."""

from dataclasses import dataclass, field

FINAL = {"succeeded", "failed", "canceled", "expired"}


@dataclass
class Job:
    """A definition: how many runs at a time, and whether runs of one key exclude each other."""

    slug: str
    limit: int | None
    keyed: bool
    version: int = 1
    paused: bool = False


@dataclass
class Run:
    """A run as clients see it.

    Attributes:
        queue_order: of runs of one priority, the lower begins first.
        story: what has happened, without the word that all topics share.
    """

    id: str
    job: Job
    key: str
    priority: int
    most_attempts: int
    queue_order: tuple[str, str]
    status: str = "pending"
    attempt: int = 1
    execution: int = 0
    worker: str | None = None
    cancel_requested: bool = False
    story: list[str] = field(default_factory=lambda: ["requested"])

    @property
    def seen(self) -> tuple[str, int]:
        """What lists show of it."""
        return self.status, self.attempt

    def note(self, what: str, status: str) -> None:
        """Let something happen."""
        self.story.append(what)
        self.status = status
        if status != "running":
            self.worker = None

    def end_attempt(self, what: str, final: str) -> None:
        """Let an attempt end without success: a requested cancel wins over another attempt."""
        if self.cancel_requested:
            self.note("canceled", "canceled")
        elif self.attempt < self.most_attempts:
            self.note(what, "pending")
            self.attempt += 1
        else:
            self.note(what, final)


@dataclass
class Model:
    """All that there is."""

    jobs: dict[str, Job] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)

    def claimable(self, slots: int) -> list[Run]:
        """Return what a worker with this many free slots must get, in this order."""
        waiting = [run for run in self.runs.values() if run.status == "pending"]
        chosen: list[Run] = []
        for run in sorted(waiting, key=lambda run: (-run.priority, run.queue_order)):
            if len(chosen) < slots and self._has_room(run, chosen):
                chosen.append(run)
        return chosen

    def _has_room(self, run: Run, chosen: list[Run]) -> bool:
        if run.job.paused:
            return False
        busy = [other for other in self.runs.values() if other.status == "running"]
        beside = [other for other in [*busy, *chosen] if other.job is run.job]
        if run.job.limit is not None and len(beside) >= run.job.limit:
            return False
        return not (run.job.keyed and any(other.key == run.key for other in beside))

    def has_unfinished(self, job: Job) -> bool:
        """Return whether a run of the job is pending or running."""
        of_job = [run for run in self.runs.values() if run.job is job]
        return any(run.status not in FINAL for run in of_job)

    def start(self, run: Run, worker: str) -> None:
        """Let a worker hold a run."""
        run.note("started", "running")
        run.worker = worker
        run.execution += 1

    def cancel(self, run: Run) -> int:
        """Let a client cancel; return the HTTP status of the answer."""
        if run.status in FINAL - {"canceled"}:
            return 409
        if run.status == "pending":
            run.note("canceled", "canceled")
        elif run.status == "running" and not run.cancel_requested:
            run.story.append("cancel_requested")
            run.cancel_requested = True
        return 200

    def hand_back(self, run: Run) -> None:
        """Let a worker return a run, its attempt unspent."""
        if run.cancel_requested:
            run.note("canceled", "canceled")
        else:
            run.note("handed_back", "pending")

    def lose(self, worker: str) -> None:
        """Let a worker be declared lost."""
        for run in self.runs.values():
            if run.worker == worker:
                run.end_attempt("attempt_lost", "failed")
