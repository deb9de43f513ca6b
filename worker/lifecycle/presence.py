"""What a worker says of itself."""

import os
import socket
from collections.abc import Sequence
from uuid import uuid4

from apphub_jobs.version import VERSION
from domain.workers.labels import Labels
from domain.workers.presence import Presence


def new_id() -> str:
    """Return an id for one life, which nobody had before."""
    unique = uuid4().hex[:8]
    return f"{socket.gethostname()}-{os.getpid()}-{unique}"


def presence(
    slots: int,
    shared_slots: int,
    lease_s: float,
    entry_points: Sequence[str],
    labels: Labels,
) -> Presence:
    """Return what is told of this process as a worker."""
    return Presence(
        host=socket.gethostname(),
        pid=os.getpid(),
        slots=slots,
        shared_slots=shared_slots,
        lease_ms=int(lease_s * 1000),
        version=VERSION,
        entry_points=entry_points,
        labels=labels,
    )
