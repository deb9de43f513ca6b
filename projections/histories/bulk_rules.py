"""The promises about bulk operations, by topic, and how events change the state that they need."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from projections.histories.rules import LoggedEvent


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


BulkRule = Callable[[LivingBulk, LoggedEvent], str | None]
"""Returns what was expected if an event breaks a promise."""


def bulk_goes_down(bulk: LivingBulk, event: LoggedEvent) -> str | None:
    """An operation goes from newer runs to older ones, none newer than its position."""
    before = cast("int", event.data["before"])
    if before < bulk.before:
        return None
    return f"runs created before {bulk.before}, not {before}"


def bulk_keeps_to_the_chosen(bulk: LivingBulk, event: LoggedEvent) -> str | None:
    """No more runs are processed than were selected."""
    processed = bulk.processed + _processed(event)
    if processed <= bulk.total:
        return None
    return f"at most {bulk.total} runs, not {processed}"


def bulk_leaves_none_out(bulk: LivingBulk, _: LoggedEvent) -> str | None:
    """A completed operation has processed every run that was selected."""
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


def requested(event: LoggedEvent) -> LivingBulk:
    """Return the state of a new operation."""
    return LivingBulk(cast("int", event.data["total"]), cast("int", event.data["as_of"]) + 1)


def move(bulk: LivingBulk, event: LoggedEvent) -> None:
    """Apply an event to the operation."""
    if event.topic == "bulk_operation.advanced":
        bulk.before = cast("int", event.data["before"])
        bulk.processed += _processed(event)


def _processed(event: LoggedEvent) -> int:
    return cast("int", event.data["done"]) + len(cast("list[object]", event.data["refused"]))
