"""Events as a version of the program to come would append them."""

from uuid import UUID, uuid4

from tests.support.logs import query

MODULE = "this"
"""Importing it prints a poem; nothing in a log may make anybody import it."""

_APPEND = """
    INSERT INTO jobs_events (originator_id, originator_version, topic, state, actor)
    SELECT %s::uuid, 1 + coalesce(max(originator_version), 0), %s, convert_to(%s, 'UTF8'), 'newer'
    FROM jobs_events WHERE originator_id = %s
    RETURNING notification_id
"""

STATE = '{"timestamp":"2030-01-01T00:00:00.000Z","why":"to come"}'
NEWER_SHAPE = '{"timestamp":"2030-01-01T00:00:00.000Z","new":[1],"class_version":99}'


def append(url: str, aggregate_id: UUID | str, topic: str, state: str = STATE) -> int:
    """Append an event and return its position."""
    [(position,)] = query(url, _APPEND, aggregate_id, topic, state, aggregate_id)
    return int(position)


def append_all(url: str, run_id: UUID | str, other_id: UUID | str) -> list[int]:
    """Append what there may be: on two runs, and on an aggregate of a new kind."""
    unknown = uuid4()
    return [
        append(url, run_id, "job_run.of_a_version_to_come"),
        append(url, other_id, "job_run.progressed", NEWER_SHAPE),
        append(url, unknown, "webhook.created"),
        append(url, unknown, "webhook.delivered"),
        append(url, uuid4(), f"{MODULE}:Event"),
        append(url, uuid4(), MODULE),
    ]
