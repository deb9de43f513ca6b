"""The promises about bulk operations, by topic, and how their events move what is kept of one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from domain.json_values import JsonObject


@dataclass
class LivingBulk:
    """An operation that is not over.

    Attributes:
        total: how many runs were chosen.
        before: only runs created before this position are left.
        gone_through: runs that were done or refused.
    """

    total: int
    before: int
    gone_through: int = 0


BulkRule = Callable[[LivingBulk, JsonObject], str | None]
"""Returns what was expected where an event, whose data these are, breaks a promise."""


def bulk_goes_down(bulk: LivingBulk, data: JsonObject) -> str | None:
    """An operation goes from newer runs to older ones, none of them newer than its position."""
    before = cast("int", data["before"])
    if before < bulk.before:
        return None
    return f"runs created before {bulk.before}, not {before}"


def bulk_keeps_to_the_chosen(bulk: LivingBulk, data: JsonObject) -> str | None:
    """No more runs are gone through than were chosen."""
    gone_through = bulk.gone_through + _gone_through(data)
    if gone_through <= bulk.total:
        return None
    return f"at most {bulk.total} runs, not {gone_through}"


def bulk_leaves_none_out(bulk: LivingBulk, data: JsonObject) -> str | None:
    """A completed operation has gone through every run that was chosen."""
    del data
    if bulk.gone_through == bulk.total:
        return None
    return f"all of {bulk.total} runs to be gone through, not {bulk.gone_through}"


RULES: dict[str, tuple[BulkRule, ...]] = {
    "bulk_operation.advanced": (bulk_goes_down, bulk_keeps_to_the_chosen),
    "bulk_operation.completed": (bulk_leaves_none_out,),
    "bulk_operation.aborted": (),
}
"""What each event of an operation must be, beside its first."""

FIRST = "bulk_operation.requested"

LAST = frozenset({"bulk_operation.completed", "bulk_operation.aborted"})


def requested(data: JsonObject) -> LivingBulk:
    """Return what is kept of an operation that begins."""
    return LivingBulk(cast("int", data["total"]), cast("int", data["as_of"]) + 1)


def move(bulk: LivingBulk, topic: str, data: JsonObject) -> None:
    """Take in what an event says of the operation."""
    if topic == "bulk_operation.advanced":
        bulk.before = cast("int", data["before"])
        bulk.gone_through += _gone_through(data)


def _gone_through(data: JsonObject) -> int:
    return cast("int", data["done"]) + len(cast("list[object]", data["refused"]))
