"""A slow and obvious model of a job's past, tick by tick: what simulations are held against."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from projections.simulation import History, RecordedRun, Steps, Turn

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
        while random.random() < 0.2:
            life.works.append(random.randrange(1, 20))
            life.pauses.append(random.choice([None, *range(10)]))
        if random.random() < 0.2:
            life.deadline = due_at + random.randrange(1, 40)
    return lives


def happened(
    lives: list[Life],
    limit: int | None,
    *,
    may_claim: Callable[[int], bool] = lambda _: True,
    slots: int = 1_000,
    of_key: int = 1,
) -> History:
    """Let the runs happen: at each tick, all that may start does, the first in the queue first."""
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
        waiting.sort(key=lambda one: (-one[1].priority, one[0], one[1].id))
        if may_claim(tick):
            _claim(waiting, running, tick, min(slots, limit or slots), of_key)
        tick += 1
    runs = [RecordedRun(life.id, life.priority, life.key, life.turns) for life in lives]
    return History(0, END, runs, Steps([(0, limit)]), Steps([(0, of_key)]))


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
    life.turns.append(Turn(due_at=life.due_at, given_up_at=life.deadline))
    return True


def _claim(
    waiting: list[tuple[int, Life]],
    running: list[tuple[int, Life]],
    tick: int,
    most: int,
    of_key: int,
) -> None:
    for one in [*waiting]:
        _, life = one
        holders = [other for _, other in running if other.key == life.key]
        is_held = life.key is not None and len(holders) >= of_key
        if len(running) >= most or is_held:
            continue
        waiting.remove(one)
        life.turns.append(_turn(life, tick))
        running.append((tick + life.works[len(life.turns) - 1], life))


def _turn(life: Life, tick: int) -> Turn:
    if not life.turns:
        return Turn(due_at=life.due_at, started_at=tick, given_up_at=life.deadline)
    if life.pauses[len(life.turns) - 1] is not None:
        return Turn(due_at=life.came_at, started_at=tick)
    ended_at = life.turns[-1].ended_at
    assert ended_at is not None
    return Turn(due_at=ended_at, started_at=tick, was_handed_back=True)
