"""When Python looks for garbage: seldom, as it finds hardly any, and looking delays everybody."""

import gc

GROWTH = 50_000
"""After so many more objects, some megabytes, Python looks again.

Its own 700 are less than what sixty requests under way consist of, so that it would look at them
again and again, at a tenth of a launch's cost."""


def look_seldom() -> None:
    """Set aside what the program consists of, which stays; look through the rest seldom."""
    gc.freeze()
    gc.set_threshold(GROWTH)
