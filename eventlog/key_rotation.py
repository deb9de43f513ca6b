"""Replaces the master key while the service works.

The new key is written before the former one in the file, which stays until the last subject's key
is wrapped by the new one. So a rotation may be killed at any time, and the next one continues.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable

import psycopg

from domain.errors import SubjectKeysUnavailableError
from eventlog.database.failures import is_transient
from eventlog.keys import KEY_BYTES, MasterKey, MasterKeyFile
from eventlog.personal import MASTER, MasterRow, SubjectKeyRow, unwrap
from projections.rows import Connection, read_first, read_rows

logger = logging.getLogger(__name__)

TRIES = 50

RETRY_PAUSE_S = 0.2

KEYS_AT_ONCE = 500
"""Keys that one transaction wraps, for which erasures of the same subjects wait."""

ROTATION_LOCK = 6_114_930_287_745_016_233
"""Key of the advisory lock that a rotation's session holds: one rotates at a time."""

_CHANGE_MASTER = "UPDATE subject_master SET id = %s"

_KEYS_TO_REWRAP = """
    SELECT key_id, wrapped, master FROM subject_keys WHERE master <> %(master)s
    LIMIT %(limit)s FOR UPDATE
"""

_REWRAP = "UPDATE subject_keys SET lookup = %s, wrapped = %s, master = %s WHERE key_id = %s"


async def rotate(
    connection: Connection, file: MasterKeyFile, progress: Callable[[int], None]
) -> MasterKey | None:
    """Wrap all subjects' keys by a new master key, and destroy the former one.

    Args:
        connection: a session that does nothing else, and is closed afterwards.
        file: the file of the master key; the new key is written to it.
        progress: called with the number of keys wrapped so far.

    Returns:
        The new key, None if the database has no master key yet.

    Raises:
        SubjectKeysUnavailableError: the present key is not in the file, or the file cannot be
            written.
    """
    # Another rotation waits here, and then changes the key once more. The lock ends with the
    # session.
    await connection.execute(f"SET lock_timeout = 0; SELECT pg_advisory_lock({ROTATION_LOCK})")
    row = await read_first(connection, MasterRow, MASTER)
    if row is None:
        return None
    present = file.key(row["id"])
    others = [key for key in file.reload() if key.id != present.id]
    new = MasterKey(secrets.token_bytes(KEY_BYTES))
    file.write([new, present, *others])
    await connection.execute(_CHANGE_MASTER, (new.id,))
    done = 0
    while count := await _rewrap_with_retries(connection, file, new):
        done += count
        progress(done)
    keys = file.reload()
    if not keys or keys[0].id != new.id:
        raise SubjectKeysUnavailableError(f"{file.path} was changed by somebody else meanwhile")
    file.write([new])
    return new


async def _rewrap_with_retries(connection: Connection, file: MasterKeyFile, new: MasterKey) -> int:
    """Wrap the next keys; try again while others change the same keys."""
    for _ in range(TRIES):
        try:
            return await _rewrap(connection, file, new)
        except psycopg.Error as error:
            if not is_transient(error):
                raise
            logger.info("wrapping keys again after a conflict: %s", error)
            await asyncio.sleep(RETRY_PAUSE_S)
    return await _rewrap(connection, file, new)


async def _rewrap(connection: Connection, file: MasterKeyFile, new: MasterKey) -> int:
    """Wrap the next keys by the new master key, in one transaction; return their number."""
    values = {"master": new.id, "limit": KEYS_AT_ONCE}
    async with connection.transaction():
        rows = await read_rows(connection, SubjectKeyRow, _KEYS_TO_REWRAP, values)
        for row in rows:
            key_id, key, subject = unwrap(file, row)
            new_values = (new.lookup(subject), new.wrap(key_id, key, subject), new.id, key_id)
            await connection.execute(_REWRAP, new_values)
    return len(rows)
