"""The order of tests for parallel workers: what a folder's tests share is started in one of them.

xdist cuts the list of all tests into a piece of as many for each worker, and lets whoever is done
take the last half of the longest piece that is left.
"""

from collections import defaultdict
from collections.abc import Sequence

Folder = tuple[str, ...]
"""Where a test is, below `tests`."""

SMALL = "unit"
"""Tests that share nothing: they are at the end of each piece, where others take them."""

SECONDS = {"integration": 0.6, "e2e": 1.6}
"""About how long one takes."""


def dealt(tests: Sequence[Folder], workers: int) -> list[int]:
    """Return the tests' numbers in the order in which whole folders are dealt out to workers.

    Each worker gets about as much work, and as many tests. Every other begins with the last of its
    folders, for tests that compute to be beside tests that wait.
    """
    numbers: defaultdict[Folder, list[int]] = defaultdict(list)
    for number, folder in enumerate(tests):
        numbers[folder].append(number)
    small = [number for number, folder in enumerate(tests) if folder[0] == SMALL]
    seconds = {
        folder: len(numbers[folder]) * SECONDS.get(folder[0], 1.0)
        for folder in numbers
        if folder[0] != SMALL
    }
    hands: list[list[Folder]] = [[] for _ in range(workers)]
    for folder in sorted(seconds, key=lambda folder: (-seconds[folder], folder)):
        min(hands, key=lambda hand: sum(seconds[own] for own in hand)).append(folder)
    order: list[int] = []
    for worker, hand in enumerate(hands):
        piece = [
            number for folder in sorted(hand, reverse=worker % 2 == 1) for number in numbers[folder]
        ]
        size = (len(tests) - len(order)) // (workers - worker)
        filling = max(0, size - len(piece))
        order += piece + small[:filling]
        del small[:filling]
    return order + small
