"""How far the followers of the log are, by a query of the database alone."""

from typing_extensions import ReadOnly, TypedDict

from eventlog.database import sql
from projections.rows import Connection, read_one


class Progress(TypedDict):
    """What the database says of those who follow the log.

    Attributes:
        schema: version of its schema; None where it has none.
        unread_s: how long the first event waits that a reader has not seen; None: there is none.
        unsealed_s: how long the first event waits that no seal covers.
    """

    schema: ReadOnly[str | None]
    unread_s: ReadOnly[float | None]
    unsealed_s: ReadOnly[float | None]


_WAITED_S = """
    SELECT extract(epoch FROM clock_timestamp() - recorded_at)::float8 FROM jobs_events
    WHERE notification_id > {after} ORDER BY notification_id LIMIT 1
"""

_SEALED = "(SELECT position FROM log_seals ORDER BY number DESC LIMIT 1)"

_PROGRESS = f"""
    SELECT (SELECT version_num FROM alembic_version) AS schema,
           ({_WAITED_S.format(after="%(read)s")}) AS unread_s,
           ({_WAITED_S.format(after=f"coalesce({_SEALED}, 0)")}) AS unsealed_s
"""


class Sealed(TypedDict):
    """How far the log is sealed.

    Attributes:
        position: the log's last.
        sealed_position: the last that a seal covers; None where there is no seal.
        seals: how many there are.
    """

    position: ReadOnly[int]
    sealed_position: ReadOnly[int | None]
    seals: ReadOnly[int]


_SEALS = "(SELECT number FROM log_seals ORDER BY number DESC LIMIT 1)"

_SEAL_STATE = f"""
    SELECT ({sql.HEAD}) AS position, {_SEALED} AS sealed_position, coalesce({_SEALS}, 0) AS seals
"""


async def how_far_sealed(connection: Connection) -> Sealed:
    """Return how far the log is sealed."""
    return await read_one(connection, Sealed, _SEAL_STATE, {})


async def progress(connection: Connection, read: int) -> Progress:
    """Return how far everybody is; `read` is the position up to which the reader has come."""
    return await read_one(connection, Progress, _PROGRESS, {"read": read})
