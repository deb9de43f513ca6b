"""The worker's lease, as a handlers' process checks it just before it calls a handler.

The worker keeps the lease's expiry in memory that it shares with this process, and renews it there.
So a task that has waited in a pipe or for a thread is checked against the present lease.
"""

import mmap
import os
from time import monotonic


class LeaseExpiredError(Exception):
    """The worker's lease has expired, so that no handler may start."""


class Lease:
    """The worker's lease; its expiry is by CLOCK_MONOTONIC, which a host's processes share."""

    def __init__(self, descriptor: int) -> None:
        memory = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        os.close(descriptor)
        self._expires_at = memoryview(memory).cast("d")

    @property
    def is_expired(self) -> bool:
        """Whether no handler may start, as another worker may have claimed its run."""
        # The clock is read first, so that the worker can verify a refusal.
        now = monotonic()
        return now > self._expires_at[0]

    def check(self) -> None:
        """Check that a handler may start.

        Raises:
            LeaseExpiredError: the lease has expired.
        """
        if self.is_expired:
            raise LeaseExpiredError
