"""The subjects' keys: in the table `subject_keys`, each wrapped by the master key from a file.

They are read from the database each time, in the snapshot or transaction that reads the events: a
process that kept one would go on showing what another one has erased.
"""

import secrets
from collections.abc import Collection, Sequence
from uuid import UUID, uuid4

from typing_extensions import ReadOnly, TypedDict

from domain.errors import SubjectKeysUnavailableError
from eventlog.keys.master import KEY_BYTES, MasterKey, MasterKeyFile
from eventlog.personal import statements
from projections.rows import Connection, read_first, read_one, read_rows

SubjectKey = tuple[UUID, bytes]
"""The key's id, and the key."""


class SubjectKeyRow(TypedDict):
    """A subject's key, wrapped by the master key of this id."""

    key_id: ReadOnly[str]
    wrapped: ReadOnly[bytes]
    master: ReadOnly[str]


class _FoundKey(TypedDict):
    """The database's master key, if it has one, and a subject's key, if there is one."""

    present: ReadOnly[str | None]
    key_id: ReadOnly[str | None]
    wrapped: ReadOnly[bytes]
    master: ReadOnly[str]


class MasterRow(TypedDict):
    """The id of the database's master key."""

    id: ReadOnly[str]


MAX_TRIES = 10
"""How often a subject's key may vanish, or the master key change, before we give up."""


async def keys_by_id(
    connection: Connection, master_keys: MasterKeyFile | None, ids: Collection[str]
) -> dict[str, bytes]:
    """Return those of the keys that still exist.

    Raises:
        SubjectKeysUnavailableError: they cannot be unwrapped.
    """
    values = {"ids": list(ids)}
    rows = await read_rows(connection, SubjectKeyRow, statements.SUBJECT_KEYS, values)
    keys: dict[str, bytes] = {}
    for row in rows:
        key_id, key, _ = unwrapped(master_keys, row)
        keys[str(key_id)] = key
    return keys


def unwrapped(
    master_keys: MasterKeyFile | None, row: SubjectKeyRow
) -> tuple[UUID, bytes, str]:
    """Return the key's id, the key and the subject's name of a row of `subject_keys`.

    Raises:
        SubjectKeysUnavailableError: it cannot be unwrapped.
    """
    key_id = UUID(row["key_id"])
    master = needed(master_keys).known(row["master"])
    key, subject = master.unwrap(key_id, row["wrapped"])
    return key_id, key, subject


async def find(
    connection: Connection, master_keys: MasterKeyFile | None, subject: str
) -> SubjectKey | None:
    """Return the subject's key, None if it has none.

    Raises:
        SubjectKeysUnavailableError: the master key is not at hand.
    """
    for _ in range(MAX_TRIES):
        held: Sequence[MasterKey] = ()
        if master_keys is not None:
            held = master_keys.held()
        # Names are looked up under every key of the file, for during a rotation some are known by
        # the former one.
        values = {"lookups": [master.lookup(subject) for master in held]}
        row = await read_one(connection, _FoundKey, statements.FIND_SUBJECT_KEY, values)
        present = row["present"]
        if present is None:
            return None
        if any(master.id == present for master in held):
            return _found(master_keys, row)
        # Reads the file anew, or says why the key cannot be had.
        await _present(connection, needed(master_keys))
    raise SubjectKeysUnavailableError("the master key keeps changing")


def _found(master_keys: MasterKeyFile | None, row: _FoundKey) -> SubjectKey | None:
    if row["key_id"] is None:
        return None
    found: SubjectKeyRow = {
        "key_id": row["key_id"],
        "wrapped": row["wrapped"],
        "master": row["master"],
    }
    key_id, key, _ = unwrapped(master_keys, found)
    return key_id, key


async def find_or_make(
    connection: Connection, master_keys: MasterKeyFile | None, subject: str
) -> SubjectKey:
    """Return the subject's key, a new one if it has none, which is committed then.

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
    row = await read_first(connection, MasterRow, statements.MASTER)
    if row is not None:
        await _present(connection, needed(master_keys))


async def _present(connection: Connection, file: MasterKeyFile) -> None:
    """Read the file until it holds this database's master key.

    A rotation may come to its end between the table's answer and the look into the file.

    Raises:
        SubjectKeysUnavailableError: the file does not have it, and nobody is changing it.
    """
    missing: str | None = None
    for _ in range(MAX_TRIES):
        row = await read_one(connection, MasterRow, statements.MASTER)
        try:
            file.known(row["id"])
        except SubjectKeysUnavailableError:
            if row["id"] == missing:
                raise
            missing = row["id"]
        else:
            return
    raise SubjectKeysUnavailableError("the master key keeps changing")


def needed(master_keys: MasterKeyFile | None) -> MasterKeyFile:
    """Return the file, or raise SubjectKeysUnavailableError where none was named."""
    if master_keys is None:
        raise SubjectKeysUnavailableError(
            "personal data are encrypted here, and no master key was named to read them"
        )
    return master_keys


async def _make(connection: Connection, file: MasterKeyFile, subject: str) -> None:
    """Make a key for the subject, unless somebody else does, or the master key is changing."""
    async with connection.transaction():
        # Locked against a rotation: no key may be wrapped by a master key that is on its way out.
        row = await read_first(connection, MasterRow, f"{statements.MASTER} FOR SHARE")
        if row is not None:
            master = file.known(row["id"])
        else:
            first = await _first_master(connection, file)
            if first is None:
                return
            master = first
        key_id = uuid4()
        key = secrets.token_bytes(KEY_BYTES)
        wrapped = master.wrap(key_id, key, subject)
        lookup = master.lookup(subject)
        values = (key_id, lookup, wrapped, master.id)
        await connection.execute(statements.INSERT_SUBJECT_KEY, values)


async def _first_master(
    connection: Connection, file: MasterKeyFile
) -> MasterKey | None:
    """Take the file's key, made if need be, as this database's; None if another was faster."""
    master = file.create()
    cursor = await connection.execute(statements.INSERT_MASTER, (master.id,))
    if not cursor.rowcount:
        return None
    return master
