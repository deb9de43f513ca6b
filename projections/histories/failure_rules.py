"""The promises about failure groups, by topic, and how events move what is kept of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from domain.json_values import JsonObject


@dataclass
class Noting:
    """The part of the log that the last search went through, and what was noted of it since.

    Attributes:
        after: the position from which on it searched.
        until: the position up to which it did.
        noted: where failures stand that were noted of this part.
    """

    after: int = 0
    until: int = 0
    noted: set[int] = field(default_factory=set)


NotingRule = Callable[[Noting, int, JsonObject], str | None]
"""Returns what was expected where an event, of this position and data, breaks a promise."""


def search_goes_on(noting: Noting, position: int, data: JsonObject) -> str | None:
    """A search goes further than the one before, and no further than the log did by then."""
    until = cast("int", data["searched_until"])
    if noting.until < until < position:
        return None
    return f"a search up to between {noting.until + 1} and {position - 1}, not {until}"


def noted_once_where_searched(noting: Noting, position: int, data: JsonObject) -> str | None:
    """Failures are noted of the part that was searched just before, and each once."""
    del position
    found = positions_in(data)
    if not found:
        return None  # It was noted before events said where they stand.
    if len(found) != data["failures"]:
        return f"{data['failures']} positions, not {len(found)}"
    for one in found:
        if not noting.after < one <= noting.until:
            return f"failures between {noting.after + 1} and {noting.until}, not {one}"
    is_told_twice = len(set(found)) < len(found)
    was_noted = not noting.noted.isdisjoint(found)
    if is_told_twice or was_noted:
        return "failures that have not been noted yet"
    return None


RULES: dict[str, tuple[NotingRule, ...]] = {
    "failure_watch.begun": (search_goes_on,),
    "failure_watch.moved": (search_goes_on,),
    "failure_group.opened": (noted_once_where_searched,),
    "failure_group.recurred": (noted_once_where_searched,),
}
"""What each event of a search, or of a group, must be."""


def positions_in(data: JsonObject) -> list[int]:
    """Return where the failures stand that an event notes; none of the first shape."""
    return cast("list[int]", data.get("positions", []))


def move(noting: Noting, topic: str, data: JsonObject) -> None:
    """Take in what an event says of the search."""
    if topic.startswith("failure_watch."):
        noting.after = noting.until
        noting.until = cast("int", data["searched_until"])
        noting.noted.clear()
    else:
        noting.noted.update(positions_in(data))
