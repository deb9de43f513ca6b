"""The promises about failure groups, by topic, and how events change the state that they need."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from projections.histories.rules import LoggedEvent


@dataclass
class FailureSearch:
    """The range of the log that the last search read, and the failures recorded of it.

    Attributes:
        after: the search began after this position.
        until: the search ended at this position.
        recorded: positions of the failures of this range that were recorded.
    """

    after: int = 0
    until: int = 0
    recorded: set[int] = field(default_factory=set)


FailureRule = Callable[[FailureSearch, LoggedEvent], str | None]
"""Returns what was expected if an event breaks a promise."""


def search_goes_on(search: FailureSearch, event: LoggedEvent) -> str | None:
    """A search goes further than the one before, and no further than the end of the log."""
    until = cast("int", event.data["searched_until"])
    if search.until < until < event.position:
        return None
    return f"a search up to between {search.until + 1} and {event.position - 1}, not {until}"


def noted_once_where_searched(search: FailureSearch, event: LoggedEvent) -> str | None:
    """Each failure is recorded once, from the range that was searched just before."""
    positions = positions_in(event)
    if not positions:
        return None  # Written before events had positions.
    if len(positions) != event.data["failures"]:
        return f"{event.data['failures']} positions, not {len(positions)}"
    for failed_at in positions:
        if not search.after < failed_at <= search.until:
            return f"failures between {search.after + 1} and {search.until}, not {failed_at}"
    has_duplicates = len(set(positions)) < len(positions)
    was_recorded = not search.recorded.isdisjoint(positions)
    if has_duplicates or was_recorded:
        return "failures that are not recorded yet"
    return None


RULES: dict[str, tuple[FailureRule, ...]] = {
    "failure_watch.begun": (search_goes_on,),
    "failure_watch.moved": (search_goes_on,),
    "failure_group.opened": (noted_once_where_searched,),
    "failure_group.recurred": (noted_once_where_searched,),
}
"""The promises that each event of a search or a group must keep."""


def positions_in(event: LoggedEvent) -> list[int]:
    """Return the positions of the failures that an event records; none for its version 1."""
    return cast("list[int]", event.data.get("positions", []))


def move(search: FailureSearch, event: LoggedEvent) -> None:
    """Apply an event to the search."""
    if event.topic.startswith("failure_watch."):
        search.after = search.until
        search.until = cast("int", event.data["searched_until"])
        search.recorded.clear()
    else:
        search.recorded.update(positions_in(event))
