"""A run's events and executions as clients see them: page by page, or all of them part by part."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import orjson

from domain.json_values import JsonObject
from eventlog.history.reader import Reader
from projections.envelope import Envelope
from projections.runs.attempts import AttemptFolder

MAX_BYTES = 4_194_304
"""A page of executions goes no further: each may tell of a long error."""


async def events_after(
    reader: Reader, run_id: UUID, after: int, first: Sequence[Envelope]
) -> AsyncIterator[bytes]:
    """Yield a list of events as JSON: the first, and then all after a version."""
    yield b"["
    yield _joined([event.present() for event in first])
    position: int | None = after
    while position is not None:
        events, position = await reader.history(run_id, position)
        yield b"," + _joined([event.present() for event in events])
    yield b"]"


def _joined(items: Sequence[JsonObject]) -> bytes:
    return b",".join(map(orjson.dumps, items))


async def executions_after(
    reader: Reader, run_id: UUID, after: int, limit: int
) -> tuple[list[JsonObject], int | None]:
    """Return a run's executions that began after an event, at most so many.

    With them comes after which event the next begins, None where there is none.
    """
    folder = AttemptFolder()
    found: list[JsonObject] = []
    size = 0
    position: int | None = after
    while position is not None:
        events, position = await reader.landmarks(run_id, position)
        for event in events:
            over = folder.add(event)
            if over is None:
                continue
            found.append(over)
            size += len(orjson.dumps(over))
            if len(found) == limit or size > MAX_BYTES:
                return found, folder.began_at - 1
    last = folder.end()
    if last is not None:
        found.append(last)
    return found, None
