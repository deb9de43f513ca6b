"""What bulk operations need of the tables; `eventlog` implements it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from domain.filters.conditions import Conditions


@dataclass(frozen=True)
class Chosen:
    """A run that was chosen, and where in the log it was created."""

    run_id: UUID
    created_position: int


@dataclass(frozen=True)
class Counted:
    """How many runs were chosen at a position, and the newest of them.

    Attributes:
        personal: those of the names of parameters asked about under which a job keeps personal
            data, or their subjects' names.
    """

    position: int
    total: int
    newest: Sequence[Chosen]
    personal: Collection[str] = ()


class Selection(Protocol):
    """Which runs conditions choose as of a position; that never changes."""

    async def count(
        self, conditions: Conditions, limit: int, parameters: Collection[str]
    ) -> Counted:
        """Count the runs as of now, and return the newest of them.

        Args:
            conditions: which runs.
            limit: how many of the newest.
            parameters: names of parameters whose values the log is to keep in the open.
        """

    async def newest(
        self, conditions: Conditions, position: int, before: int | None, limit: int
    ) -> list[Chosen]:
        """Return runs as of a position, the newest first of those created before another one."""

    async def repeated_among(self, run_ids: Collection[UUID]) -> set[UUID]:
        """Return those of the runs that another run was launched to repeat, by now."""
