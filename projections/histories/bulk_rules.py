"""The promises about bulk operations, by topic, and how events change the state that they need."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from domain.json_values import JsonObject


@dataclass
class LivingBulk:
    """An operation that is not finished.

    Attributes:
        total: number of selected runs.
        before: only runs created before this position remain.
        processed: number of runs that were done or refused.
    """

    total: int
    before: int
    processed: int = 0


BulkRule = Callable[[LivingBulk, JsonObject], str | None]
"""Returns what was expected if an event with these data breaks a promise."""


def bulk_goes_down(bulk: LivingBulk, data: JsonObject) -> str | None:
    """An operation goes from newer runs to older ones, none newer than its position."""
    before = cast("int", data["before"])
    if before < bulk.before:
        return None
    return f"runs created before {bulk.before}, not {before}"


def bulk_keeps_to_the_chosen(bulk: LivingBulk, data: JsonObject) -> str | None:
    """No more runs are processed than were selected."""
    processed = bulk.processed + _processed(data)
    if processed <= bulk.total:
        return None
    return f"at most {bulk.total} runs, not {processed}"


def bulk_leaves_none_out(bulk: LivingBulk, data: JsonObject) -> str | None:
    """A completed operation has processed every run that was selected."""
    del data
    if bulk.processed == bulk.total:
        return None
    return f"all of {bulk.total} runs to be processed, not {bulk.processed}"


RULES: dict[str, tuple[BulkRule, ...]] = {
    "bulk_operation.advanced": (bulk_goes_down, bulk_keeps_to_the_chosen),
    "bulk_operation.completed": (bulk_leaves_none_out,),
    "bulk_operation.aborted": (),
}
"""The promises that each event but the first must keep."""

FIRST = "bulk_operation.requested"

LAST = frozenset({"bulk_operation.completed", "bulk_operation.aborted"})


def requested(data: JsonObject) -> LivingBulk:
    """Return the state of a new operation."""
    return LivingBulk(cast("int", data["total"]), cast("int", data["as_of"]) + 1)


def move(bulk: LivingBulk, topic: str, data: JsonObject) -> None:
    """Apply an event to the operation."""
    if topic == "bulk_operation.advanced":
        bulk.before = cast("int", data["before"])
        bulk.processed += _processed(data)


def _processed(data: JsonObject) -> int:
    return cast("int", data["done"]) + len(cast("list[object]", data["refused"]))
