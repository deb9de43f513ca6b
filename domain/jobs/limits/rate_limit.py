"""How many runs of a job may start within a period."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from domain.json_values import Json

MOST_STARTS = 1_000
"""The highest limit: so many starts are looked back at, and kept of one run."""

LONGEST_PERIOD_MS = 2_678_400_000
"""31 days."""


@dataclass(frozen=True)
class RateLimit:
    """The contract's `rateLimit`: within no period do more runs start than the limit says.

    A period is any stretch of time of this length, not one between two strokes of a clock.

    Attributes:
        limit: 1 to `MOST_STARTS` starts; each attempt is one.
        period: up to 31 days.
        key: a parameter's name: each of its values has the limit to itself. None: all of the job's
            runs count together.
    """

    limit: int
    period: timedelta
    key: str | None

    @classmethod
    def from_json(cls, told: Mapping[str, Json] | None) -> "RateLimit | None":
        """Read what was validated when the job was registered."""
        if told is None:
            return None
        period_ms = cast("int", told["periodMs"])
        return cls(
            limit=cast("int", told["limit"]),
            period=timedelta(milliseconds=period_ms),
            key=cast("str | None", told.get("key")),
        )
