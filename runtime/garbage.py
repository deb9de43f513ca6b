"""When Python looks for garbage, seldom, and what becomes of memory that is free again."""

import ctypes
import gc
import sys

GROWTH = 50_000
"""After so many more objects, some megabytes, Python looks again.

Its own 700 are less than what sixty requests under way consist of, so that it would look at them
again and again, at a tenth of a launch's cost."""

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8

LARGE_BYTES = 131_072
"""From this size on, a text or a buffer has pages of its own, which the system has back as soon as
it is free."""

ARENAS = 2
"""Heaps that threads share; by itself there may be eight for each processor."""


def look_seldom() -> None:
    """Set aside what the program consists of, which stays; look through the rest seldom."""
    gc.freeze()
    gc.set_threshold(GROWTH)


def give_back() -> None:
    """Have the system get back what was large, as far as this machine's C library can do so.

    glibc by itself takes the largest block that was ever freed as the measure for which are kept:
    after a few documents of a megabyte all are, between small ones, and a process never shrinks.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
        library.mallopt(_M_ARENA_MAX, ARENAS)
