"""What `dev` waits for, from its threads: keys, changed files, and what probes have found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, Queue

from worker.executors.local.probe import Offer


@dataclass(frozen=True)
class Key:
    """Somebody has pressed a key."""

    name: str


@dataclass(frozen=True)
class Changed:
    """Files have changed."""

    paths: Sequence[str]


@dataclass(frozen=True)
class Probed:
    """Handlers have been found anew."""

    offers: Mapping[str, Offer]


@dataclass(frozen=True)
class NotTaken:
    """Handlers cannot be had as their files are now; the reason says why, with the traceback."""

    reason: str


Happening = Key | Changed | Probed | NotTaken


class Happenings:
    """A queue of what is to be dealt with, one after the other."""

    def __init__(self) -> None:
        self._queue: Queue[Happening] = Queue()

    def add(self, happening: Happening) -> None:
        """Add one; from any thread."""
        self._queue.put(happening)

    def next(self, within_s: float) -> Happening | None:
        """Return the next one, None if there is none for so long."""
        try:
            return self._queue.get(timeout=within_s)
        except Empty:
            return None
