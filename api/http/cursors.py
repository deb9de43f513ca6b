"""Cursors: where a page ended.

The next one begins there however much there is and whatever is added.
"""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Query

from domain.errors import InvalidInputError, Issue
from projections.job_runs import RunRow

OptionalCursor = Annotated[
    str | None,
    Query(
        description="`nextCursor` of the page before; empty for the first page:"
        " then `meta` tells cursors"
    ),
]


def position_of(cursor: str) -> int:
    """Return the place in the log before which the page's runs were created.

    Raises:
        InvalidInputError: the cursor is none.
    """
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):  # noqa: PLR2004 - fits 64 bits
        raise InvalidInputError(
            [Issue("/cursor", "must be the nextCursor of another page", "pattern")]
        )
    return int(cursor)


def next_cursor(runs: Sequence[RunRow], has_more: bool) -> str | None:  # noqa: FBT001 - what lists return
    """Return the cursor of the page after these runs, None where there is none."""
    if not runs or not has_more:
        return None
    return str(runs[-1]["created_position"])
