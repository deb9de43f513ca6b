"""What limits leave to candidates, as far as it has been read: the input of `select_candidates`.

First rate windows (`RateWindow`) and fairness groups (`FairnessGroup`), which are read where a
candidate needs them (`rates.py`, `fairness.py`); then all limits at one time (`LimitState`). Runs
under way are counted in memory (`pending_queue.py`).
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from projections.flow.candidates import Candidate, Key, QueuePosition, key_of, rate_key_of

GroupKey = tuple[str, str, int]
"""A job's id, an entry point and a priority, which the runs of a fairness group share."""

MAX_VALUES = 2_000
"""Values of a group that are read to fill the slots of a claim, at most; each costs some ten
microseconds."""

MAX_DEPTH = 64
"""Runs of a value that are skipped because limits keep them, at most; then the next value is
served."""


def next_read_size(refused: int) -> int:
    """Return how many to read next where limits refuse this many that were read.

    Fourfold, so that few reads suffice: 4 of two thousand full rate windows, one by one 969
    (docs/performance.md).
    """
    return max(4 * refused, 16)


@dataclass(frozen=True)
class RateWindow:
    """How many more runs may start within the period of a rate limit.

    Attributes:
        remaining: the number of starts left.
        reopens_at: when the next run may start, if none may start now.
    """

    remaining: int
    reopens_at: str | None = None


RateWindows = Mapping[Key, RateWindow]
"""By a job's id and a value of its rate limit's key."""


@dataclass(frozen=True)
class FairnessGroup:
    """The due runs of a group, as far as they have been read.

    Attributes:
        queues: the first runs of each value in the order of the queue; the values in the order in
            which they are served, the one that was started last at the end.
        is_complete: whether no other value has a run that may start.
        depth: how many runs of a value were read at most; a queue of that length may have more.
            None if all queues are complete.
    """

    queues: Sequence[Sequence[Candidate]]
    is_complete: bool = True
    depth: int | None = None

    def next_depth(self, slots: int) -> int:
        """Return how many runs of each value to read next to fill this number of slots."""
        depth = self.depth or 0
        lengths = [len(queue) for queue in self.queues]
        incomplete = max(1, lengths.count(depth))
        missing = slots - sum(lengths)
        if missing > 0:
            return max(2 * depth, depth - (-missing // incomplete))
        return next_read_size(depth)


IN_QUEUE_ORDER = FairnessGroup(())
"""Of a group whose runs start in the order of the queue, whatever their values."""


def group_of(run: Candidate) -> GroupKey | None:
    """Return the fairness group of a run, None if it is in none."""
    if run["fair_value"] is None or run["fairness_key"] is None:
        return None
    return run["job_definition_id"], run["entry_point"], run["priority"]


def fairness_group(runs: Iterable[Candidate], last_value: str | None) -> FairnessGroup:
    """Return the fairness group of all its due runs.

    Args:
        runs: its due runs, in the order of the queue.
        last_value: the value that was started last, None if none was.
    """
    queues: defaultdict[str, list[Candidate]] = defaultdict(list)
    for run in runs:
        queues[run["fair_value"] or ""].append(run)

    def turn(value: str) -> tuple[bool, str]:
        return last_value is not None and value <= last_value, value

    return FairnessGroup([queues[value] for value in sorted(queues, key=turn)])


@dataclass(frozen=True)
class LimitState:
    """What limits leave to candidates at one time, as far as it has been read.

    Attributes:
        running: the number of runs under way by job; jobs left out have none.
        held: the number of runs under way by concurrency key.
        windows: the rate windows; those left out have not been read.
        groups: the fairness groups; those left out have not been read.
        unserved_jobs: jobs whose runs the worker cannot execute.
        known_until: the queue position up to which all due runs are known; None if all are known.
    """

    running: Mapping[str, int] = field(default_factory=dict)
    held: Mapping[Key, int] = field(default_factory=dict)
    windows: RateWindows = field(default_factory=dict)
    groups: Mapping[GroupKey, FairnessGroup] = field(default_factory=dict)
    unserved_jobs: Container[str] = ()
    known_until: QueuePosition | None = None

    def with_started(self, runs: Collection[Candidate]) -> "LimitState":
        """Return the state after some runs have started, without changing rate windows."""
        if not runs:
            return self
        running, held = dict(self.running), dict(self.held)
        for run in runs:
            job_id, key = run["job_definition_id"], key_of(run)
            running[job_id] = running.get(job_id, 0) + 1
            if key is not None:
                held[key] = held.get(key, 0) + 1
        return replace(self, running=running, held=held)

    def is_job_at_capacity(self, job_id: str, most: int | None) -> bool:
        """Return whether no run of the job may start if `most` may be under way."""
        if job_id in self.unserved_jobs:
            return True
        return most is not None and self.running.get(job_id, 0) >= most

    def remaining_in_job(self, job_id: str, most: int | None, limit: int) -> int:
        """Return how many more runs of the job may start, up to `limit`, if `most` may run."""
        if most is None:
            return limit
        return max(min(most - self.running.get(job_id, 0), limit), 0)

    def remaining_of_key(self, run: Candidate) -> int | None:
        """Return how many more runs may hold the run's concurrency key, None if it has none."""
        key = key_of(run)
        if key is None:
            return None
        return max(key_limit(run) - self.held.get(key, 0), 0)

    def is_key_saturated(self, run: Candidate) -> bool:
        """Return whether the runs under way use all of the limit of the run's concurrency key."""
        return self.remaining_of_key(run) == 0

    def saturated_keys(self, job_id: str, most: int) -> list[str]:
        """Return the job's concurrency keys that at least `most` runs under way hold."""
        return [key for (job, key), held in self.held.items() if job == job_id and held >= most]

    def saturated_keys_beside(self, run: Candidate) -> list[str]:
        """Return the concurrency keys of the run's job that are saturated by runs under way."""
        if run["concurrency_value"] is None:
            return []
        return self.saturated_keys(run["job_definition_id"], key_limit(run))

    def full_rate_values(self, job_id: str) -> list[str]:
        """Return the values of a job's rate limit whose windows have been read and are full."""
        windows = self.windows.items()
        return [value for (job, value), window in windows if job == job_id and not window.remaining]

    def keys_saturated_by(self, runs: Iterable[Candidate]) -> list[str]:
        """Return the concurrency keys of a job that would be saturated if these runs started."""
        holders: Counter[str] = Counter()
        saturated: dict[str, None] = {}
        for run in runs:
            key, remaining = run["concurrency_value"], self.remaining_of_key(run)
            if key is None or remaining is None:
                continue
            holders[key] += 1
            if holders[key] >= remaining:
                saturated[key] = None
        return list(saturated)

    def rate_values_filled_by(self, runs: Iterable[Candidate]) -> list[str]:
        """Return the values of a job's rate limit that would be full if these runs started."""
        starts = Counter(rate_key_of(run) for run in runs)
        values: list[str] = []
        for key, number in starts.items():
            window = None if key is None else self.windows.get(key)
            if key is not None and window is not None and number >= window.remaining:
                values.append(key[1])
        return values

    def count_by_keys(self, runs: Iterable[Candidate]) -> int:
        """Return how many of a job's runs could start together by their concurrency keys."""
        startable: Counter[str | None] = Counter()
        for run in runs:
            remaining = self.remaining_of_key(run)
            key = run["concurrency_value"]
            if remaining is None or startable[key] < remaining:
                startable[key] += 1
        return startable.total()


def key_limit(run: Candidate) -> int:
    """Return how many runs may hold the run's concurrency key at a time."""
    return run["concurrency_limit"] or 1
