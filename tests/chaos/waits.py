"""How long runs of killed workers waited, and how much of it nobody could have spared them.

By the log alone, and by when which worker lived: a run that is due waits for others, and not for
the service, while every slot of the living is taken, or all that its job or its key allows. Pure.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

STARTED = "job_run.started"

LOST = "job_run.attempt_lost"

NOT_THE_END = {STARTED, "job_run.progressed", "job_run.cancel_requested"}


@dataclass(frozen=True)
class RunEvent:
    """An event of a run; times are in seconds since the epoch.

    Attributes:
        worker: that started it.
        due_at: when it may start again, after it was lost.
    """

    at: float
    run_id: str
    topic: str
    worker: str | None = None
    due_at: float | None = None


@dataclass(frozen=True)
class Life:
    """From when to when a worker could claim, and for how many slots."""

    worker: str
    slots: int
    since: float
    until: float


@dataclass(frozen=True)
class Shares:
    """What a run shares with others: so many of its job at a time, and one of its key."""

    job: str
    at_most: int | None = None
    key: str | None = None


@dataclass
class Wait:
    """How long a run waited after its worker was killed.

    Attributes:
        recovered_s: until it was pending again.
        started_s: until it was started again.
        for_a_slot_s: of that, the time in which it was due and every slot was taken.
        for_its_share_s: the same where all that its job or its key allows was taken.
    """

    recovered_s: float
    started_s: float
    for_a_slot_s: float
    for_its_share_s: float

    @property
    def rest_s(self) -> float:
        """What is left of the wait: what the service took."""
        return self.started_s - self.for_a_slot_s - self.for_its_share_s


@dataclass
class _Waiting:
    died_at: float
    recovered_at: float
    due_at: float
    for_a_slot_s: float = 0.0
    for_its_share_s: float = 0.0


@dataclass
class Fleet:
    """Walks along the log.

    Attributes:
        killed: when which worker was.
        waits: of the runs that have started again.
    """

    lives: Sequence[Life]
    shares: Mapping[str, Shares]
    killed: Mapping[str, float]
    waits: list[Wait] = field(default_factory=list)
    _now: float = 0.0
    _holders: dict[str, str] = field(default_factory=dict)
    _waiting: dict[str, _Waiting] = field(default_factory=dict)

    def walk(self, events: Iterable[RunEvent]) -> list[Wait]:
        """Return the waits of all runs that a killed worker held, and that started again."""
        for event in events:
            self._pass_until(event.at)
            self._take(event)
        return self.waits

    def _take(self, event: RunEvent) -> None:
        run_id = event.run_id
        if event.topic == STARTED:
            self._start(event)
        if event.topic in NOT_THE_END:
            return
        holder = self._holders.pop(run_id, "")
        self._waiting.pop(run_id, None)
        died_at = self.killed.get(holder)
        if event.topic == LOST and died_at is not None and event.due_at is not None:
            self._waiting[run_id] = _Waiting(died_at, event.at, event.due_at)

    def _start(self, event: RunEvent) -> None:
        self._holders[event.run_id] = event.worker or ""
        waited = self._waiting.pop(event.run_id, None)
        if waited is None:
            return
        recovered_s = waited.recovered_at - waited.died_at
        started_s = event.at - waited.died_at
        others_s = (waited.for_a_slot_s, waited.for_its_share_s)
        self.waits.append(Wait(recovered_s, started_s, *others_s))

    def _pass_until(self, until: float) -> None:
        """Let time pass, in which no run begins or ends; workers may."""
        moments = {moment for life in self.lives for moment in (life.since, life.until)}
        between = sorted(moment for moment in moments if self._now < moment < until)
        for moment in [*between, until]:
            for run_id, waiting in self._waiting.items():
                since = max(self._now, waiting.due_at)
                passed_s = max(moment - since, 0.0)
                if not self._has_share(run_id):
                    waiting.for_its_share_s += passed_s
                elif not self._has_slot(since):
                    waiting.for_a_slot_s += passed_s
            self._now = max(self._now, moment)

    def _has_share(self, run_id: str) -> bool:
        """Return whether the run's job and key let it start."""
        own = self.shares[run_id]
        of_job = 0
        for other_id in self._holders:
            other = self.shares[other_id]
            if other.job != own.job:
                continue
            of_job += 1
            if own.key is not None and other.key == own.key:
                return False
        return own.at_most is None or of_job < own.at_most

    def _has_slot(self, at: float) -> bool:
        """Return whether a worker that lives at a moment has a free slot."""
        held = Counter(self._holders.values())
        for life in self.lives:
            if life.since <= at < life.until and held[life.worker] < life.slots:
                return True
        return False
