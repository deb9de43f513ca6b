"""Which questions are costly, and who waits for the answer.

Whatever a client may ask for is cheap, or it is answered in turns (`CostlyReads`) and ends with its
client. Cheap is what an index leads to, however much there is: lists by job, status and search from
their beginning or a cursor on, and look-ups by id, as of now.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, Request

from domain.errors import Issue, TooCostlyError
from domain.filters import NOT, PARAMETERS
from domain.json_values import escape
from eventlog.database.costly_reads import REMEDY

FAR = 1_000
"""From this offset on, passing over what comes before it is costly."""

MOST_COMPARED = 200_000
"""Comparisons of parameters that a page may cost: by each condition, of each run passed over."""

_ROW_BY_ROW = frozenset({"actor", "failure", "retried", "createdAfter", "createdBefore"})
"""Filters that no index answers by itself: rows are read until a page is full."""

_BY_INDEX = frozenset({f"status{NOT}", f"runtime{NOT}"})
"""Negated filters that are as good as others: there are few values."""

AS_OF = "asOf"


def causes_of(query: QueryParams) -> list[str]:
    """Return what makes a question costly, as JSON Pointers; nothing if it is cheap.

    Raises:
        TooCostlyError: it is costly beyond all turns.
    """
    causes = [f"/{escape(name)}" for name in query if _is_costly(name)]
    offset = _offset_in(query)
    if offset >= FAR:
        causes.append("/offset")
    compared = [name for name in query if name.startswith(PARAMETERS)]
    if len(compared) * offset > MOST_COMPARED:
        most = MOST_COMPARED // len(compared)
        conditions = f"{len(compared)} conditions on parameters"
        message = f"must be at most {most} with {conditions}; {REMEDY}"
        raise TooCostlyError([Issue("/offset", message, "cost")])
    return causes


def _is_costly(name: str) -> bool:
    if name in _ROW_BY_ROW or name == AS_OF or name.startswith(PARAMETERS):
        return True
    return name.endswith(NOT) and name not in _BY_INDEX


def _offset_in(query: QueryParams) -> int:
    """Return how much is passed over; 0 for what is no number, which its route refuses."""
    text = query.get("offset", "")
    return int(text) if text.isascii() and text.isdigit() else 0


@asynccontextmanager
async def while_client_waits(request: Request) -> AsyncIterator[None]:
    """End what is done meanwhile as soon as the client has left. The body must have been read.

    Raises:
        ClientDisconnect: it has.
    """
    waiting = asyncio.timeout(None)
    has_left = False

    async def watch() -> None:
        nonlocal has_left
        message = await request.receive()
        while message["type"] != "http.disconnect":
            message = await request.receive()
        has_left = True
        waiting.reschedule(asyncio.get_running_loop().time())

    try:
        async with waiting:
            # It is canceled where this block ends.
            watcher = asyncio.create_task(watch())
            try:
                yield
            finally:
                watcher.cancel()
    except TimeoutError:
        if not has_left:
            raise
        raise ClientDisconnect from None
