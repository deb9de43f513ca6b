"""What has happened, as clients see it: page by page, or all of it part by part."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import orjson

from domain.identifiers import repository_id
from domain.json_values import JsonObject
from eventlog.history.reader import Reader
from projections.envelope import Envelope
from projections.repositories import STEP_TOPICS, history_entry
from projections.runs.attempts import AttemptFolder

MAX_BYTES = 4_194_304
"""A page of executions goes no further: each may tell of a long error."""

STEPS_A_PART = 500


async def all_events(
    reader: Reader, run_id: UUID, first: Sequence[Envelope], after: int
) -> AsyncIterator[list[JsonObject]]:
    """Yield a run's events: the first, and then all after a version."""
    yield [event.present() for event in first]
    position: int | None = after
    while position is not None:
        events, position = await reader.history(run_id, position)
        yield [event.present() for event in events]


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


async def steps_before(
    reader: Reader, app_id: str, before: int, limit: int
) -> tuple[list[JsonObject], int | None]:
    """Return the steps of an app's ingestions before an event, the newest first.

    With them comes before which event the next begin, None where there are none.
    """
    events, following = await reader.newest(
        repository_id(app_id), STEP_TOPICS, before, limit
    )
    entries = [history_entry(event, app_id) for event in events]
    return [entry for entry in entries if entry is not None], following


async def all_steps(
    reader: Reader, app_id: str, first: list[JsonObject], before: int
) -> AsyncIterator[list[JsonObject]]:
    """Yield the steps of an app's ingestions: the newest, and then all before an event."""
    yield first
    position: int | None = before
    while position is not None:
        steps, position = await steps_before(reader, app_id, position, STEPS_A_PART)
        yield steps
