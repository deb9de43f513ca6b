"""When Python looks for garbage: seldom, for it hardly finds any here, and looking delays everybody."""

import gc

GROWTH = 50_000
"""So many more objects than at the last look lead to the next: some megabytes. Python's own 700 are
less than what sixty requests under way consist of, so that it would look at them again and again,
at a tenth of a launch's cost."""


def look_seldom() -> None:
    """Set aside what the program consists of, which never becomes garbage; look through the rest seldom."""
    gc.freeze()
    gc.set_threshold(GROWTH)
