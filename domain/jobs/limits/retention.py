"""For how long the events of ended runs stay in the database, before they are archived."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from domain.json_values import Json

LONGEST_KEPT_MS = 3_153_600_000_000
"""A hundred years."""

ENOUGH_RUNS = 5_000
"""So many make a file of a megabyte or so: what a file costs by itself no longer matters."""

LONGEST_WAIT = timedelta(days=1)
"""Fewer runs wait so long for others. So a service that has few ends has a file a day at most."""

_FIELDS = {
    "succeeded": "succeededMs",
    "failed": "failedMs",
    "canceled": "canceledMs",
    "expired": "expiredMs",
}


@dataclass(frozen=True)
class Retention:
    """The contract's `retention`.

    Attributes:
        kept: how long after its end a run is archived, by the status in which it ended. Runs of the
            other statuses stay.
    """

    kept: Mapping[str, timedelta]

    @classmethod
    def from_json(cls, told: Mapping[str, Json] | None) -> "Retention":
        """Read what was validated when the job was registered."""
        kept: dict[str, timedelta] = {}
        for status, name in _FIELDS.items():
            kept_ms = (told or {}).get(name)
            if kept_ms is not None:
                kept[status] = timedelta(milliseconds=cast("int", kept_ms))
        return cls(kept)

    def ended_before(self, now: datetime) -> dict[str, datetime]:
        """Return by status the moment before which runs must have ended to be archived now."""
        return {status: now - kept for status, kept in self.kept.items()}


def is_worth_a_file(runs: int, longest_due: timedelta) -> bool:
    """Return whether runs that may be archived are to be archived now.

    Args:
        runs: how many there are.
        longest_due: for how long the first of them could have been.
    """
    if runs == 0:
        return False
    return runs >= ENOUGH_RUNS or longest_due >= LONGEST_WAIT
