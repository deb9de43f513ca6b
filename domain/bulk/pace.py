"""How many runs a batch has: as many as hold the append lock for about eight milliseconds. Pure."""

AIM_MS = 8.0
"""For how long a batch is to hold the lock. One in a hundred takes more than twice as long, for
commits are not all alike, and others should wait for no more than 20 milliseconds."""

FEWEST = 20
"""Runs of a batch: below, what each commit costs by itself is most of it. Where that alone is more
than the aim, as on a machine with far too much to do, fewer runs would hold the lock hardly less at
a time, and all of them several times as long."""

MOST = 200

FIRST = 25
"""Before anything is known."""


def next_size(size: int, held_ms: float) -> int:
    """Return how many runs the next batch has.

    It shrinks at once, but to no less than a half, for one slow commit says little; and it grows by
    a quarter at most, so that it comes near to the aim from below.

    Args:
        size: how many the last one had.
        held_ms: for how long that held the lock; 0 where nobody knows.
    """
    if held_ms <= 0:
        return size
    fitting = int(size * AIM_MS / held_ms)
    grown = size + max(1, size // 4)
    halved = size // 2
    near = max(halved, min(fitting, grown))
    return min(max(near, FEWEST), MOST)
