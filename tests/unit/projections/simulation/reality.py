"""A slow and obvious model of a job's past, tick by tick: what simulations are held against."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random

from domain.jobs.policies import RateLimit
from projections.job_history import History, RecordedRun, Timeline, Turn

END = 100_000


@dataclass
class Life:
    """A run that comes at some time, and what it does.

    Attributes:
        works: how long each of its executions takes.
        pauses: for how long it waits after each of them but the last; None where it is handed back,
            and keeps its place in the queue.
    """

    id: str
    due_at: int
    works: list[int]
    pauses: list[int | None]
    priority: int = 0
    key: str | None = None
    tenant: str = ""
    deadline: int | None = None
    turns: list[Turn] = field(default_factory=list)
    came_at: int = 0


def some_lives(random: Random, *, plain: bool = False) -> list[Life]:
    """Make up runs; plain ones have no priorities, keys, deadlines and retries."""
    lives: list[Life] = []
    for number in range(random.choice([1, 5, 20, 40])):
        due_at = random.randrange(1, 60)
        life = Life(f"{number:02}", due_at, [random.randrange(1, 20)], [])
        lives.append(life)
        if plain:
            continue
        life.priority = random.choice([-1, 0, 0, 5])
        life.key = random.choice([None, None, "a", "b"])
        life.tenant = random.choice("pppqr")
        while random.random() < 0.2:
            life.works.append(random.randrange(1, 20))
            life.pauses.append(random.choice([None, *range(10)]))
        if random.random() < 0.2:
            life.deadline = due_at + random.randrange(1, 40)
    return lives


@dataclass
class Rules:
    """A job's limits.

    Attributes:
        limit: how many runs may be under way at a time.
        of_key: how many of those with the same key.
        rate: how many starts of a tenant there may be within how many ticks.
        is_fair: whether tenants are served round-robin, at each priority.
    """

    limit: int | None = None
    of_key: int = 1
    rate: tuple[int, int] | None = None
    is_fair: bool = False
    starts: list[tuple[int, Life]] = field(default_factory=list)

    def may_start(self, life: Life, running: list[tuple[int, Life]], tick: int) -> bool:
        """Return whether the limits let a run start."""
        holders = [other for _, other in running if other.key == life.key]
        if life.key is not None and len(holders) >= self.of_key:
            return False
        if self.rate is None:
            return True
        most, period = self.rate
        recent = [one for at, one in self.starts if at > tick - period]
        return sum(one.tenant == life.tenant for one in recent) < most

    def first(self, waiting: list[tuple[int, Life]]) -> tuple[int, Life]:
        """Return which of the runs starts next: of each group the one of its next tenant."""
        heads: dict[tuple[int, str], tuple[int, Life]] = {}
        for one in waiting:
            heads.setdefault((one[1].priority, one[1].tenant), one)
        if not self.is_fair:
            return waiting[0]
        nexts = [
            min(
                (one for (level, _), one in heads.items() if level == priority),
                key=lambda one: self._turn(priority, one[1].tenant),
            )
            for priority in {priority for priority, _ in heads}
        ]
        return min(nexts, key=_in_queue)

    def _turn(self, priority: int, tenant: str) -> tuple[bool, str]:
        last = next((one for _, one in self.starts[::-1] if one.priority == priority), None)
        return last is not None and tenant <= last.tenant, tenant


def _in_queue(one: tuple[int, Life]) -> tuple[int, int, str]:
    came_at, life = one
    return -life.priority, came_at, life.id


def happened(
    lives: list[Life],
    limit: int | None,
    *,
    may_claim: Callable[[int], bool] = lambda _: True,
    slots: int = 1_000,
    of_key: int = 1,
    rate: tuple[int, int] | None = None,
    is_fair: bool = False,
) -> History:
    """Let the runs happen: at each tick, all that may start does, the first in the queue first."""
    rules = Rules(limit, of_key, rate, is_fair)
    waiting: list[tuple[int, Life]] = []  # With when each came into the queue.
    running: list[tuple[int, Life]] = []
    coming = [(life.due_at, life) for life in lives]
    for life in lives:
        life.came_at = life.due_at
    tick = 0
    while waiting or running or coming:
        for ended in [one for one in running if one[0] == tick]:
            running.remove(ended)
            _end(ended[1], tick, coming, waiting)
        for due in [one for one in coming if one[0] == tick]:
            coming.remove(due)
            waiting.append(due)
        waiting = [one for one in waiting if not _is_too_late(one[1], tick)]
        waiting.sort(key=_in_queue)
        if may_claim(tick):
            _claim(waiting, running, tick, min(slots, limit or slots), rules)
        tick += 1
    runs = [
        RecordedRun(
            life.id, life.priority, life.key, life.turns, "", rate and life.tenant, life.tenant
        )
        for life in lives
    ]
    return History(
        0,
        END,
        runs,
        Timeline([(0, limit)]),
        Timeline([(0, of_key)]),
        Timeline([(0, rate and RateLimit(rate[0], timedelta(milliseconds=rate[1]), "tenant"))]),
        Timeline([(0, "tenant" if is_fair else None)]),
    )


def _end(
    life: Life, tick: int, coming: list[tuple[int, Life]], waiting: list[tuple[int, Life]]
) -> None:
    life.turns[-1] = replace(life.turns[-1], ended_at=tick)
    number = len(life.turns)
    if number == len(life.works):
        return
    pause = life.pauses[number - 1]
    if pause is not None:
        coming.append((tick + pause, life))
        life.came_at = tick + pause
        return
    waiting.append((life.came_at, life))


def _is_too_late(life: Life, tick: int) -> bool:
    if life.turns or life.deadline is None or life.deadline > tick:
        return False
    life.turns.append(Turn(due_at=life.due_at, waits_until=life.deadline))
    return True


def _claim(
    waiting: list[tuple[int, Life]],
    running: list[tuple[int, Life]],
    tick: int,
    most: int,
    rules: Rules,
) -> None:
    passed: list[tuple[int, Life]] = []
    while len(running) < most and (rest := [one for one in waiting if one not in passed]):
        one = rules.first(rest)
        _, life = one
        if not rules.may_start(life, running, tick):
            passed.append(one)
            continue
        waiting.remove(one)
        rules.starts.append((tick, life))
        life.turns.append(_turn(life, tick))
        running.append((tick + life.works[len(life.turns) - 1], life))


def _turn(life: Life, tick: int) -> Turn:
    if not life.turns:
        return Turn(due_at=life.due_at, started_at=tick, waits_until=life.deadline)
    if life.pauses[len(life.turns) - 1] is not None:
        return Turn(due_at=life.came_at, started_at=tick)
    ended_at = life.turns[-1].ended_at
    assert ended_at is not None
    return Turn(due_at=ended_at, started_at=tick, was_handed_back=True)
