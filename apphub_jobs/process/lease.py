"""Until when the worker's word holds, as a handlers' process sees it: it looks last of all.

The worker keeps the end of its lease in memory that this process can read, and renews it there. So
a task that has waited in a pipe, or behind another one, is held against the lease as it is now.
"""

import mmap
import os
from time import monotonic


class LeaseIsOverError(Exception):
    """No handler may begin any more."""


class Lease:
    """The worker's lease, as a moment of CLOCK_MONOTONIC, which a host's processes share."""

    def __init__(self, descriptor: int) -> None:
        memory = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        os.close(descriptor)
        self._until = memoryview(memory).cast("d")

    @property
    def is_over(self) -> bool:
        """Whether no handler may begin any more, for another worker may have its run."""
        # The clock first: the worker can tell then that a refusal was right.
        now = monotonic()
        return now > self._until[0]

    def check(self) -> None:
        """Make sure that a handler may begin.

        Raises:
            LeaseIsOverError: none may.
        """
        if self.is_over:
            raise LeaseIsOverError
