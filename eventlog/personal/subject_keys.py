"""The subjects' keys: in the table `subject_keys`, each wrapped by the master key, which is in a file.

They are read from the database each time, in the snapshot or transaction that reads the events: a
process that kept one would go on showing what another one has erased.
"""

import secrets
from collections.abc import Collection, Mapping
from typing import cast
from uuid import UUID, uuid4

from domain.errors import SubjectKeysUnavailableError
from eventlog.keys.master import KEY_BYTES, MasterKey, MasterKeyFile
from eventlog.personal import statements
from projections.rows import Connection, fetch_rows

SubjectKey = tuple[UUID, bytes]
"""The key's id, and the key."""

MAX_TRIES = 10
"""How often a subject's key may vanish or change hands between being found and being made."""


async def keys_by_id(
    connection: Connection, master_keys: MasterKeyFile | None, ids: Collection[str]
) -> dict[str, bytes]:
    """Return those of the keys that there still are.

    Raises:
        SubjectKeysUnavailableError: they cannot be unwrapped.
    """
    rows = await fetch_rows(connection, statements.SUBJECT_KEYS, {"ids": list(ids)})
    return {str(row["key_id"]): unwrapped(master_keys, row)[1] for row in rows}


def unwrapped(
    master_keys: MasterKeyFile | None, row: Mapping[str, object]
) -> tuple[UUID, bytes, str]:
    """Return the key's id, the key and the subject's name of a row of `subject_keys`.

    Raises:
        SubjectKeysUnavailableError: it cannot be unwrapped.
    """
    key_id, wrapped = UUID(str(row["key_id"])), cast("bytes", row["wrapped"])
    return key_id, *needed(master_keys).known(str(row["master"])).unwrap(key_id, wrapped)


async def find(
    connection: Connection, master_keys: MasterKeyFile | None, subject: str
) -> SubjectKey | None:
    """Return the subject's key, None if it has none.

    Raises:
        SubjectKeysUnavailableError: the master key is not at hand.
    """
    for _ in range(MAX_TRIES):
        keys = [] if master_keys is None else master_keys.held()
        values = {"lookups": [key.lookup(subject) for key in keys]}
        [row] = await fetch_rows(connection, statements.FIND_SUBJECT_KEY, values)
        if row["present"] is None:
            return None
        # Names are looked up under every key of the file, for during a rotation some are known by
        # the former one.
        if str(row["present"]) in {key.id for key in keys}:
            return None if row["key_id"] is None else unwrapped(master_keys, row)[:2]
        # Read anew; or said why it cannot be.
        needed(master_keys).known(str(row["present"]))
    raise SubjectKeysUnavailableError("the master key keeps changing")


async def find_or_make(
    connection: Connection, master_keys: MasterKeyFile | None, subject: str
) -> SubjectKey:
    """Return the subject's key, a new one if it has none; that is committed when this returns.

    Args:
        connection: outside of any transaction.
        master_keys: made if there is no such file yet.
        subject: the name.

    Raises:
        SubjectKeysUnavailableError: the master key is not at hand, or cannot be made.
    """
    for _ in range(MAX_TRIES):
        found = await find(connection, master_keys, subject)
        if found is not None:
            return found
        await _make(connection, needed(master_keys), subject)
    raise SubjectKeysUnavailableError("the subject's key keeps vanishing")


async def check(connection: Connection, master_keys: MasterKeyFile | None) -> None:
    """Find out whether the master key of this database is at hand, if it has one.

    Raises:
        SubjectKeysUnavailableError: it is not.
    """
    for row in await fetch_rows(connection, statements.MASTER, {}):
        needed(master_keys).known(str(row["id"]))


def needed(master_keys: MasterKeyFile | None) -> MasterKeyFile:
    """Return the file, or raise SubjectKeysUnavailableError where none was named."""
    if master_keys is None:
        raise SubjectKeysUnavailableError(
            "personal data are encrypted here, and no master key was named to read them"
        )
    return master_keys


async def _make(connection: Connection, file: MasterKeyFile, subject: str) -> None:
    """Make a key for the subject, unless somebody else just does, or the master key is being changed."""
    async with connection.transaction():
        # Locked against a rotation, so that no key is wrapped by a master key that is on its way
        # out.
        rows = await fetch_rows(connection, f"{statements.MASTER} FOR SHARE", {})
        master = file.known(str(rows[0]["id"])) if rows else await _first_master(connection, file)
        if master is None:
            return
        key_id, key = uuid4(), secrets.token_bytes(KEY_BYTES)
        values = (key_id, master.lookup(subject), master.wrap(key_id, key, subject), master.id)
        await connection.execute(statements.INSERT_SUBJECT_KEY, values)


async def _first_master(connection: Connection, file: MasterKeyFile) -> MasterKey | None:
    """Take the file's key as this database's, after making it if need be; None if another process was faster."""
    master = file.create()
    cursor = await connection.execute(statements.INSERT_MASTER, (master.id,))
    return master if cursor.rowcount else None
