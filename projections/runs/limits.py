"""Which of some runs may start: what decides on a claim, and says what keeps a run waiting.

Claims ask these functions for the first runs that nothing keeps; an explanation asks the same ones
what keeps a single run. So the two cannot disagree.
"""

from collections import Counter
from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Literal
from uuid import UUID

from domain.clock import from_iso, to_iso
from domain.ports import Offer
from projections.runs.candidates.candidate import (
    Candidate,
    Key,
    key_of,
    order,
    rate_key_of,
)
from projections.runs.turns.turns import Turns, without_turns


def takes(offered: Collection[str] | None, entry_point: str) -> bool:
    """Return whether who offers these entry points takes runs of this one; None offers all."""
    return offered is None or entry_point in offered


def without_hopeful(
    runs: Iterable[Candidate], offer: Offer, now: str
) -> list[Candidate]:
    """Leave out those whose entry point nobody offers, but may yet, before they are given up."""
    grace = timedelta(seconds=offer.grace_s)
    moment = from_iso(now) - grace
    long_ago = to_iso(moment)
    return [
        run
        for run in runs
        if run["entry_point"] in offer.entry_points or run["scheduled_at"] <= long_ago
    ]


@dataclass(frozen=True)
class Room:
    """How many more of the runs that count together may start now.

    `reopens_at` tells when the next one may where none may now.
    """

    left: int
    reopens_at: str | None = None


Rooms = Mapping[Key, Room]
"""By a job's id and a value of its rate's key."""


def key_limit(run: Candidate) -> int:
    """Return how many runs may hold the run's key at a time."""
    return run["concurrency_limit"] or 1


Refusal = Literal[
    "job_paused", "job_limit", "key_limit", "rate_limited", "behind_others"
]
"""What keeps a due run from starting: its job's pause, runs of its job or of its key that are under
way, starts within the period, or runs that come before it and start first."""


class Limits:
    """How much of each job's concurrency is left, as the claim goes along.

    Args:
        running: how many runs of each job are under way; those left out have none.
        held: how many runs under way hold each key.
        rooms: of limited starts, as far as they are known.
        shut: jobs of which nothing starts here.

    Attributes:
        unknown: runs that were taken for free to start, since their rooms are not known.
    """

    def __init__(
        self,
        running: Mapping[str, int],
        held: Mapping[Key, int],
        rooms: Rooms,
        shut: Container[str] = (),
    ) -> None:
        self._running = running
        self._held = held
        self._rooms = rooms
        self._picked_of_rate: Counter[Key] = Counter()
        self.unknown: list[Candidate] = []
        self._shut = shut
        self._picked_of_job: Counter[str] = Counter()
        self._picked_of_key: Counter[Key] = Counter()

    def is_full(self, job_id: str, most: int | None) -> bool:
        """Return whether no run of the job may start any more, if so many may at a time."""
        if job_id in self._shut:
            return True
        if most is None:
            return False
        picked = self._picked_of_job[job_id]
        return self._running.get(job_id, 0) + picked >= most

    def is_held(self, run: Candidate) -> bool:
        """Return whether runs that are under way leave none of the run's key."""
        return self.left_of_key(run) == 0

    def left_of_key(self, run: Candidate) -> int | None:
        """Return how many more runs may hold the run's key; None where it has none."""
        key = key_of(run)
        if key is None:
            return None
        most = key_limit(run)
        held = self._held.get(key, 0)
        return max(most - held, 0)

    def held_values(self, job_id: str, most: int) -> list[str]:
        """Return the values of the job's key of which runs under way leave none."""
        values: list[str] = []
        for (job, value), held in self._held.items():
            if job == job_id and held >= most:
                values.append(value)
        return values

    def keys_held(self, run: Candidate) -> list[str]:
        """Return the values of the run's key of which runs under way leave none."""
        if run["concurrency_value"] is None:
            return []
        return self.held_values(run["job_definition_id"], key_limit(run))

    def rates_full(self, run: Candidate) -> list[str]:
        """Return by which values no run of the run's job may start, as far as that is known."""
        if run["rate_limit"] is None:
            return []
        job_id = run["job_definition_id"]
        rooms = self._rooms.items()
        return [
            value for (job, value), room in rooms if job == job_id and not room.left
        ]

    def used_up(self, runs: Iterable[Candidate]) -> list[str]:
        """Return the keys of which these runs of a job would leave none."""
        wanting: Counter[str] = Counter()
        used_up: dict[str, None] = {}
        for run in runs:
            key = run["concurrency_value"]
            left = self.left_of_key(run)
            if key is None or left is None:
                continue
            wanting[key] += 1
            if wanting[key] >= left:
                used_up[key] = None
        return list(used_up)

    def room_in_job(self, job_id: str, most: int | None, limit: int) -> int:
        """Return how many more runs of the job may run, if so many may, up to a limit."""
        if most is None:
            return limit
        left = most - self._running.get(job_id, 0)
        return max(min(left, limit), 0)

    def used_up_rates(self, runs: Iterable[Candidate]) -> list[str]:
        """Return by which values of a job as many of these would start as may, or none may."""
        wanting = Counter(rate_key_of(run) for run in runs)
        values: list[str] = []
        for key, number in wanting.items():
            room = None if key is None else self._rooms.get(key)
            if key is not None and room is not None and number >= room.left:
                values.append(key[1])
        return values

    def admitted(self, runs: Iterable[Candidate]) -> int:
        """Return how many of a job's runs could start beside those under way, and no others."""
        alone = Limits(self._running, self._held, self._rooms)
        in_order = sorted(runs, key=order)
        return len(alone.pick(in_order, len(in_order)))

    def startable(self, runs: Iterable[Candidate]) -> int:
        """Return how many of a job's runs could start at the same time, as far as keys go."""
        startable: Counter[str | None] = Counter()
        for run in runs:
            key = run["concurrency_value"]
            left = self.left_of_key(run)
            if left is None or startable[key] < left:
                startable[key] += 1
        return startable.total()

    def pick(
        self, runs: Iterable[Candidate], limit: int, turns: Turns | None = None
    ) -> list[UUID]:
        """Admit the first runs that have room, up to the limit.

        Args:
            runs: in the queue's order.
            limit: how many at most.
            turns: by which some of them start in another order; None where that does not matter.
        """
        turns = turns or without_turns()
        starting = turns.starting(runs, self._has_room, self._admit)
        return [UUID(run["id"]) for run in islice(starting, limit)]

    def _has_room(self, run: Candidate) -> bool:
        return self._by_job(run) is None

    def refusals(self, run: Candidate) -> list[Refusal]:
        """Return all that keeps the run from starting beside those under way and those picked."""
        found = (self._by_job(run), self._by_key(run), self._by_rate(run))
        told = [one for one in found if one is not None]
        return list(dict.fromkeys(told))

    def _by_job(self, run: Candidate) -> Refusal | None:
        most = run["max_concurrent_runs"]
        if most is None:
            return None
        job = run["job_definition_id"]
        running = self._running.get(job, 0)
        if not most:
            return "job_paused"
        if running >= most:
            return "job_limit"
        if running + self._picked_of_job[job] >= most:
            return "behind_others"
        return None

    def _by_key(self, run: Candidate) -> Refusal | None:
        key = key_of(run)
        left = self.left_of_key(run)
        if key is None or left is None:
            return None
        if not left:
            return "key_limit"
        if self._picked_of_key[key] >= left:
            return "behind_others"
        return None

    def _by_rate(self, run: Candidate) -> Refusal | None:
        key = rate_key_of(run)
        if key is None:
            return None
        room = self._rooms.get(key)
        if room is None:
            self.unknown.append(run)
            return None
        if room.left <= 0:
            return "rate_limited"
        if self._picked_of_rate[key] >= room.left:
            return "behind_others"
        return None

    def _admit(self, run: Candidate) -> bool:
        """Count a run of a job that has room in, if nothing else keeps it."""
        if self._by_key(run) is not None or self._by_rate(run) is not None:
            return False
        rate_key = rate_key_of(run)
        if rate_key is not None:
            self._picked_of_rate[rate_key] += 1
        key = key_of(run)
        if key is not None:
            self._picked_of_key[key] += 1
        self._picked_of_job[run["job_definition_id"]] += 1
        return True


def keyed_by_job(runs: Iterable[Candidate]) -> dict[str, list[Candidate]]:
    """Return by job those that have a key."""
    keyed: dict[str, list[Candidate]] = {}
    for run in runs:
        if run["concurrency_value"] is None:
            continue
        job = run["job_definition_id"]
        of_job = keyed.setdefault(job, [])
        of_job.append(run)
    return keyed
