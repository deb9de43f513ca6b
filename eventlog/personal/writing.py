"""Personal data on their way into the log, and out of it for good."""

from dataclasses import replace
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain.errors import VersionConflictError
from domain.personal.marks import ERASED, MARK
from domain.ports import Unit
from eventlog.keys.master import MasterKeyFile
from eventlog.personal import statements
from eventlog.personal.cipher import encrypt
from eventlog.personal.subject_keys import SubjectKey, find, find_or_make, keys_by_id
from projections.rows import Connection, read_ids, read_rows


async def encrypted_unit(
    connection: Connection, master_keys: MasterKeyFile | None, unit: Unit
) -> Unit:
    """Return the unit, encrypted; it is refused if one of its subjects is erased meanwhile.

    Keys are made and committed before the unit is: one by which nothing was encrypted does no
    harm.

    Raises:
        VersionConflictError: a key that it names is gone.
        SubjectKeysUnavailableError: the master key is not at hand.
    """
    known: dict[str | UUID, SubjectKey] = {}
    keys: dict[str, SubjectKey] = {}
    for name, whose in unit.personal.items():
        if whose not in known:
            known[whose] = await _key_of(connection, master_keys, whose)
        keys[name] = known[whose]
    expects = dict(unit.expects)
    for key_id, _ in known.values():
        expects[key_id] = 0  # A key's own history begins with its erasure.
    first, *others = unit.events
    encrypted = encrypt(first, keys)
    return replace(
        unit,
        events=[encrypted, *others],
        expects=expects,
        personal={},
    )


async def key_id_of(
    connection: Connection, master_keys: MasterKeyFile | None, subject: str
) -> UUID | None:
    """Return the id of the subject's key, None if it has none.

    Raises:
        SubjectKeysUnavailableError: the master key is not at hand.
    """
    found = await find(connection, master_keys, subject)
    if found is None:
        return None
    key_id, _ = found
    return key_id


async def unfinished_runs(connection: Connection, key_id: UUID) -> list[UUID]:
    """Return the pending and running runs that hold data encrypted by this key."""
    values = {"key_id": str(key_id)}
    return await read_ids(connection, statements.UNFINISHED_RUNS_OF, values)


class _Scheduled(TypedDict):
    """A schedule that holds values of a subject, and the names of these parameters."""

    id: ReadOnly[str]
    names: ReadOnly[list[str]]


async def schedules_of(connection: Connection, subject: str) -> dict[UUID, list[str]]:
    """Return the schedules whose parameters hold the subject's values, with these names."""
    values = {"subject": subject, "erased": ERASED, "mark": MARK}
    rows = await read_rows(connection, _Scheduled, statements.SCHEDULES_OF, values)
    return {UUID(row["id"]): row["names"] for row in rows}


async def erase(connection: Connection, key_id: UUID) -> int:
    """Destroy the key in this transaction, and rewrite rows with data under it; return how many."""
    await connection.execute(statements.DELETE_SUBJECT_KEY, (key_id,))
    values = {"key_id": str(key_id), "erased": ERASED}
    cursor = await connection.execute(statements.ERASE_ROWS, values)
    return cursor.rowcount


async def _key_of(
    connection: Connection, master_keys: MasterKeyFile | None, whose: str | UUID
) -> SubjectKey:
    """Return the key of a subject, who is given by name or by the key's id."""
    if isinstance(whose, UUID):
        return await _by_id(connection, master_keys, whose)
    return await find_or_make(connection, master_keys, whose)


async def _by_id(
    connection: Connection, master_keys: MasterKeyFile | None, key_id: UUID
) -> SubjectKey:
    wanted = str(key_id)
    keys = await keys_by_id(connection, master_keys, [wanted])
    key = keys.get(wanted)
    if key is None:
        raise VersionConflictError(f"the subject of key {key_id} was erased")
    return key_id, key
