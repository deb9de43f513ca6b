"""How far readers and sealers of the log have come, as the database shows it."""

from typing_extensions import ReadOnly, TypedDict

from eventlog.database import sql
from projections.rows import Connection, read_one


class FollowerLag(TypedDict):
    """How late readers and sealers are.

    Attributes:
        schema: version of the database's schema; None if it has none.
        unread_s: for how many seconds the first unread event has been in the log; None if there is
            none.
        unsealed_s: the same of the first unsealed event.
    """

    schema: ReadOnly[str | None]
    unread_s: ReadOnly[float | None]
    unsealed_s: ReadOnly[float | None]


_WAITED_S = """
    SELECT extract(epoch FROM clock_timestamp() - recorded_at)::float8 FROM jobs_events
    WHERE notification_id > {after} ORDER BY notification_id LIMIT 1
"""

_SEALED = "(SELECT position FROM log_seals ORDER BY number DESC LIMIT 1)"

_LAG = f"""
    SELECT (SELECT version_num FROM alembic_version) AS schema,
           ({_WAITED_S.format(after="%(read_position)s")}) AS unread_s,
           ({_WAITED_S.format(after=f"coalesce({_SEALED}, 0)")}) AS unsealed_s
"""


class SealProgress(TypedDict):
    """How far the log is sealed.

    Attributes:
        position: the log's last position.
        sealed_position: the last position under a seal; None if there is no seal.
        seals: number of seals.
    """

    position: ReadOnly[int]
    sealed_position: ReadOnly[int | None]
    seals: ReadOnly[int]


_SEALS = "(SELECT number FROM log_seals ORDER BY number DESC LIMIT 1)"

_SEAL_STATE = f"""
    SELECT ({sql.HEAD}) AS position, {_SEALED} AS sealed_position, coalesce({_SEALS}, 0) AS seals
"""


async def read_seal_progress(connection: Connection) -> SealProgress:
    """Return how far the log is sealed."""
    return await read_one(connection, SealProgress, _SEAL_STATE, {})


async def follower_lag(connection: Connection, read_position: int) -> FollowerLag:
    """Return how late readers and sealers are; the reader has read up to `read_position`."""
    return await read_one(connection, FollowerLag, _LAG, {"read_position": read_position})
