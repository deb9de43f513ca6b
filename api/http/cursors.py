"""Cursors: where a page ended, so that the next one begins there.

So a page costs the same however many came before it, and whatever is added in between.
"""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Query

from domain.errors import InvalidInputError, Issue
from domain.json_values import JsonObject
from projections.job_runs import RunRow

MAX_DIGITS = 18
"""So many decimal digits fit into 64 bits."""

CURSOR = rf"^[0-9]{{1,{MAX_DIGITS}}}$"
CURSOR_OR_NONE = rf"^[0-9]{{0,{MAX_DIGITS}}}$"

OptionalCursor = Annotated[
    str | None,
    Query(
        description="`nextCursor` of the page before;"
        " empty for the first page: then `meta` tells cursors",
        json_schema_extra={"pattern": CURSOR_OR_NONE},
    ),
]


MOST = 1_000
"""The longest page of a history, and its length if none is asked for."""

PartLimit = Annotated[int | None, Query(ge=1, le=MOST)]


def part_meta(limit: int | None, following: int | None) -> JsonObject:
    """Return the `meta` of a page of a history.

    Args:
        limit: as asked for.
        following: which of its events the next page begins behind; None at the end.
    """
    cursor: str | None = None
    if following is not None:
        cursor = str(following)
    return cursor_meta(limit or MOST, cursor)


def cursor_meta(limit: int, next_cursor: str | None) -> JsonObject:
    """Return the `meta` of a page behind which others follow if it has a next cursor."""
    return {
        "limit": limit,
        "hasMore": next_cursor is not None,
        "nextCursor": next_cursor,
    }


def position_of(cursor: str) -> int:
    """Return the place in the log at which the page before ended.

    Raises:
        InvalidInputError: it is no cursor of ours.
    """
    is_number = cursor.isascii() and cursor.isdigit()
    if not is_number or len(cursor) > MAX_DIGITS:
        issue = Issue("/cursor", "must be the nextCursor of another page", "pattern")
        raise InvalidInputError([issue])
    return int(cursor)


def next_cursor(runs: Sequence[RunRow], has_more: bool) -> str | None:  # noqa: FBT001 - what lists return
    """Return the cursor of the page after these runs, None where there is none."""
    if not has_more or not runs:
        return None
    last = runs[-1]
    return str(last["created_position"])
