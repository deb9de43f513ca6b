"""What a worker says of itself when it begins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Presence:
    """What a worker says of itself when it begins.

    Attributes:
        lease_ms: for how long it may be silent before it counts as dead.
        version: of its program; None where it does not say.
        entry_points: what it offers; None where it does not say, and so may offer anything.
        labels: what tells it from others, and what jobs may ask for.
        shared_slots: how many attempts may share processes; `slots` have one to themselves.
    """

    host: str
    pid: int
    slots: int
    lease_ms: int
    version: str | None = None
    entry_points: Sequence[str] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    shared_slots: int = 0
