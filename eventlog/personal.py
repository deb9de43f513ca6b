"""Personal values in the log: encrypted by a key for each person, unreadable once it is destroyed.

First the encryption; then the SQL and the subjects' keys; then reading, the only way from stored
states to envelopes and aggregates; then writing and erasing. `key_rotation.py` replaces the master
key.
"""

import asyncio
import secrets
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any, cast
from uuid import UUID, uuid4

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from eventsourcing.persistence import StoredEvent
from typing_extensions import ReadOnly, TypedDict

from domain.errors import SubjectKeysUnavailableError, VersionConflictError
from domain.json_values import JsonObject
from domain.personal import ERASED, MARK
from domain.ports import Unit
from eventlog.database.sql import EVENTS_TABLE
from eventlog.keys import KEY_BYTES, NONCE_BYTES, MasterKey, MasterKeyFile
from projections.envelope import Envelope, EventRow, to_envelope
from projections.job_runs import IS_UNFINISHED
from projections.rows import Connection, read_first, read_ids, read_one, read_rows

# Personal data in a stored event: encrypted and decrypted.
#
# If the state of an event begins with the member `encrypted`, its marked parameters are missing.
# Their values are in `encrypted`, by the key's id and the parameter's name, as base64 of nonce,
# ciphertext and tag (AES-256-GCM). Only a run's first event may be encrypted. Its bytes never
# change, so seals stay valid; an erasure destroys a key. Readers decrypt an event before they
# upcast and fold it.
#
# By the digest of a launch's body, an attacker could check guesses of a value. So it is encrypted,
# too, by a key that is derived from all keys of the run: once one of them is destroyed, the digest
# is unreadable.

CIPHERTEXT_MARK = b'{"encrypted":{'
"""The beginning of states with encrypted values, and of no others: other states cost readers only
this comparison."""

DIGEST = "request_digest"


class CiphertextError(ValueError):
    """An encrypted value is not what was stored."""


def encrypt(event: StoredEvent, keys: Mapping[str, tuple[UUID, bytes]]) -> StoredEvent:
    """Return the event with some parameters encrypted.

    Args:
        event: a run's first event.
        keys: by parameter, the id of the key and the key.
    """
    run_id = event.originator_id
    state = orjson.loads(event.state)
    parameters = state["parameters"]
    values: dict[str, dict[str, str]] = {}
    for name, (key_id, key) in keys.items():
        text = orjson.dumps(parameters.pop(name))
        context = _parameter_context(run_id, name)
        values.setdefault(str(key_id), {})[name] = _encrypt_text(key, text, context)
    encrypted: dict[str, Any] = {"values": values}
    digest = state[DIGEST]
    if digest is not None:
        joint_key = _joint_key({str(key_id): key for key_id, key in keys.values()})
        encrypted["digest"] = _encrypt_text(joint_key, digest.encode(), _digest_context(run_id))
        state[DIGEST] = None
    return replace(event, state=orjson.dumps({"encrypted": encrypted, **state}))


def encrypted_part(version: int, state: bytes) -> tuple[JsonObject, Sequence[str]] | None:
    """Return an event's stored state and the ids of the keys it needs; None if it needs none."""
    if version != 1 or not state.startswith(CIPHERTEXT_MARK):
        return None
    fields: JsonObject = orjson.loads(state)
    key_ids = list(cast("dict[str, dict[str, JsonObject]]", fields["encrypted"])["values"])
    return fields, key_ids


def decrypt(aggregate_id: UUID, fields: JsonObject, keys: Mapping[str, bytes]) -> bytes:
    """Return the decrypted state.

    It has a member more, `personal`: by key id, the names of the parameters that were encrypted. If
    keys were destroyed, it also has `erased`, the names of the parameters that they encrypted.

    Args:
        aggregate_id: the event's aggregate.
        fields: its stored state, which is changed.
        keys: by id, those of its keys that still exist.

    Raises:
        CiphertextError: the stored state was changed.
    """
    encrypted: Any = fields.pop("encrypted")
    values_by_key = encrypted["values"]
    parameters = cast("JsonObject", fields["parameters"])
    personal: JsonObject = {}
    erased: list[str] = []
    for key_id, values in values_by_key.items():
        personal[key_id] = sorted(values)
        key = keys.get(key_id)
        if key is None:
            erased += values
            parameters |= dict.fromkeys(values, ERASED)
            continue
        for name, value in values.items():
            text = _decrypt_text(key, value, _parameter_context(aggregate_id, name))
            parameters[name] = orjson.loads(text)
    digest = encrypted.get("digest")
    if digest is not None:
        fields[DIGEST] = ERASED
        if not erased:
            joint_key = _joint_key({key_id: keys[key_id] for key_id in values_by_key})
            text = _decrypt_text(joint_key, digest, _digest_context(aggregate_id))
            fields[DIGEST] = text.decode()
    fields["personal"] = personal
    if erased:
        fields["erased"] = [*sorted(erased)]
    return orjson.dumps(fields)


def _parameter_context(aggregate_id: UUID | str, name: str) -> bytes:
    """Return the associated data that binds a ciphertext to this parameter of this aggregate."""
    return f"{aggregate_id} parameters {name}".encode()


def _digest_context(aggregate_id: UUID | str) -> bytes:
    return f"{aggregate_id} {DIGEST}".encode()


def _joint_key(keys: Mapping[str, bytes]) -> bytes:
    """Return the key that is derived from all of these keys, in the order of their ids."""
    digest = sha256(b"joint key ")
    for _, key in sorted(keys.items()):
        digest.update(key)
    return digest.digest()


def _encrypt_text(key: bytes, text: bytes, context: bytes) -> str:
    nonce = secrets.token_bytes(NONCE_BYTES)
    encoded = b64encode(nonce + AESGCM(key).encrypt(nonce, text, context))
    return encoded.decode()


def _decrypt_text(key: bytes, value: str, context: bytes) -> bytes:
    try:
        raw = b64decode(value, validate=True)
        return AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], context)
    except (InvalidTag, ValueError):
        message = f"the encrypted value of {context.decode()} is not what was stored"
        raise CiphertextError(message) from None


# The SQL of personal data: the keys of subjects, and the rows that an erasure changes.

SUBJECT_KEYS = """
    SELECT key_id, wrapped, master FROM subject_keys WHERE key_id = ANY(%(ids)s::uuid[])
"""


SUBJECT_KEYS_PAGE = "SELECT key_id, wrapped, master FROM subject_keys LIMIT %(limit)s"


MASTER = "SELECT id FROM subject_master"


INSERT_MASTER = "INSERT INTO subject_master (id) VALUES (%s) ON CONFLICT DO NOTHING"


FIND_SUBJECT_KEY = f"""
    SELECT ({MASTER}) AS present, subject.* FROM (VALUES (1)) AS single_row
    LEFT JOIN (
        SELECT key_id, wrapped, master FROM subject_keys WHERE lookup = ANY(%(lookups)s::bytea[])
    ) AS subject ON true
"""
"""One statement, so that both parts see the same state: a rotation changes both."""


INSERT_SUBJECT_KEY = """
    INSERT INTO subject_keys (key_id, lookup, wrapped, master) VALUES (%s, %s, %s, %s)
    ON CONFLICT DO NOTHING
"""


DELETE_SUBJECT_KEY = "DELETE FROM subject_keys WHERE key_id = %s"


UNFINISHED_RUNS_OF = f"""
    SELECT id FROM job_runs WHERE personal ? %(key_id)s::text AND {IS_UNFINISHED}
    ORDER BY created_position
"""


SCHEDULES_OF = """
    SELECT aggregate_id AS id, array_agg(marked.key ORDER BY marked.key) AS names
    FROM job_definitions JOIN schedules ON lower(schedules.job) = lower(job_definitions.slug),
    LATERAL jsonb_each(
        CASE WHEN jsonb_typeof(parameters_schema -> 'properties') = 'object'
        THEN parameters_schema -> 'properties' END
    ) AS marked
    WHERE parameters -> marked.key NOT IN ('null', to_jsonb(%(erased)s::text))
        AND parameters ->> (marked.value ->> %(mark)s) = %(subject)s
    GROUP BY aggregate_id
"""


ERASE_ROWS = """
    UPDATE job_runs SET parameters = parameters || (
        SELECT jsonb_object_agg(name, %(erased)s::text)
        FROM jsonb_array_elements_text(personal -> %(key_id)s::text) AS name
    ), request_digest = CASE WHEN request_digest IS NOT NULL THEN %(erased)s::text END
    WHERE personal ? %(key_id)s::text
"""
"""Gives the rows that their events fold to once the key is destroyed; a test compares the two."""


FIRST_ENCRYPTED = f"""
    SELECT originator_id, originator_version, state FROM {EVENTS_TABLE}
    WHERE originator_id = ANY(%(ids)s) AND originator_version = 1
        AND substring(state FOR octet_length(%(mark)s::bytea)) = %(mark)s::bytea
"""


# The subjects' keys: in the table `subject_keys`, each wrapped by the master key from a file.
#
# They are read each time in the snapshot or transaction that reads the events. A process that
# cached a key would still show values that another process has erased.

SubjectKey = tuple[UUID, bytes]
"""A key's id, and the key."""


class SubjectKeyRow(TypedDict):
    """A subject's key, wrapped by the master key of this id."""

    key_id: ReadOnly[str]
    wrapped: ReadOnly[bytes]
    master: ReadOnly[str]


class _KeyLookup(TypedDict):
    """The id of the database's master key, if there is one, and a subject's key.

    If the subject has no key, `key_id`, `wrapped` and `master` are None.
    """

    present: ReadOnly[str | None]
    key_id: ReadOnly[str | None]
    wrapped: ReadOnly[bytes]
    master: ReadOnly[str]


class MasterRow(TypedDict):
    """The id of the database's master key."""

    id: ReadOnly[str]


MAX_TRIES = 10
"""Tries before giving up when a subject's key vanishes or the master key changes."""


async def keys_by_id(
    connection: Connection, master_keys: MasterKeyFile | None, ids: Collection[str]
) -> dict[str, bytes]:
    """Return, by id, those of the keys that still exist.

    Raises:
        SubjectKeysUnavailableError: a key cannot be unwrapped.
    """
    rows = await read_rows(connection, SubjectKeyRow, SUBJECT_KEYS, {"ids": list(ids)})
    keys: dict[str, bytes] = {}
    for row in rows:
        key_id, key, _ = unwrap(master_keys, row)
        keys[str(key_id)] = key
    return keys


def unwrap(master_keys: MasterKeyFile | None, row: SubjectKeyRow) -> tuple[UUID, bytes, str]:
    """Return the key's id, the key and the subject's name in a row of `subject_keys`.

    Raises:
        SubjectKeysUnavailableError: it cannot be unwrapped.
    """
    key_id = UUID(row["key_id"])
    key, subject = (
        require_master_keys(master_keys).key(row["master"]).unwrap(key_id, row["wrapped"])
    )
    return key_id, key, subject


async def find_key(
    connection: Connection, master_keys: MasterKeyFile | None, subject: str
) -> SubjectKey | None:
    """Return the subject's key, None if it has none.

    Raises:
        SubjectKeysUnavailableError: the master key is missing.
    """
    for _ in range(MAX_TRIES):
        file_keys: Sequence[MasterKey] = ()
        if master_keys is not None:
            file_keys = master_keys.last_read()
        # By every key of the file: during a rotation, some look-ups are those of the old one.
        values = {"lookups": [master.lookup(subject) for master in file_keys]}
        row = await read_one(connection, _KeyLookup, FIND_SUBJECT_KEY, values)
        present = row["present"]
        if present is None:
            return None
        if any(master.id == present for master in file_keys):
            return _unwrap_lookup(master_keys, row)
        # Reads the file again, or raises.
        await _wait_for_master_key(connection, require_master_keys(master_keys))
    raise SubjectKeysUnavailableError("the master key keeps changing")


def _unwrap_lookup(master_keys: MasterKeyFile | None, row: _KeyLookup) -> SubjectKey | None:
    if row["key_id"] is None:
        return None
    key_row: SubjectKeyRow = {
        "key_id": row["key_id"],
        "wrapped": row["wrapped"],
        "master": row["master"],
    }
    key_id, key, _ = unwrap(master_keys, key_row)
    return key_id, key


async def find_or_create_key(
    connection: Connection, master_keys: MasterKeyFile | None, subject: str
) -> SubjectKey:
    """Return the subject's key; create and commit one if it has none.

    Args:
        connection: outside of any transaction.
        master_keys: the file of the master key, which is created if it is missing.
        subject: the subject's name.

    Raises:
        SubjectKeysUnavailableError: the master key is missing, or cannot be created.
    """
    for _ in range(MAX_TRIES):
        existing = await find_key(connection, master_keys, subject)
        if existing is not None:
            return existing
        await _create_key(connection, require_master_keys(master_keys), subject)
    raise SubjectKeysUnavailableError("the subject's key keeps vanishing")


async def check(connection: Connection, master_keys: MasterKeyFile | None) -> None:
    """Check that this process has the master key of this database, if there is one.

    Raises:
        SubjectKeysUnavailableError: it does not.
    """
    row = await read_first(connection, MasterRow, MASTER)
    if row is not None:
        await _wait_for_master_key(connection, require_master_keys(master_keys))


async def _wait_for_master_key(connection: Connection, file: MasterKeyFile) -> None:
    """Read the file until it has this database's master key.

    A rotation may end between reading the table and reading the file.

    Raises:
        SubjectKeysUnavailableError: the file lacks it, and no rotation is under way.
    """
    missing: str | None = None
    for _ in range(MAX_TRIES):
        row = await read_one(connection, MasterRow, MASTER)
        try:
            file.key(row["id"])
        except SubjectKeysUnavailableError:
            if row["id"] == missing:
                raise
            missing = row["id"]
        else:
            return
    raise SubjectKeysUnavailableError("the master key keeps changing")


def require_master_keys(master_keys: MasterKeyFile | None) -> MasterKeyFile:
    """Return the file, or raise SubjectKeysUnavailableError if none is configured."""
    if master_keys is None:
        raise SubjectKeysUnavailableError(
            "personal data are encrypted here, and no master key was named to read them"
        )
    return master_keys


async def _create_key(connection: Connection, file: MasterKeyFile, subject: str) -> None:
    """Create a key for the subject, unless another process does.

    If another process registers the first master key meanwhile, nothing is created.
    """
    async with connection.transaction():
        # Locked against a rotation: no key may be wrapped by an old master key.
        row = await read_first(connection, MasterRow, f"{MASTER} FOR SHARE")
        if row is None:
            master = await _register_master(connection, file)
            if master is None:
                return
        else:
            master = file.key(row["id"])
        key_id = uuid4()
        wrapped = master.wrap(key_id, secrets.token_bytes(KEY_BYTES), subject)
        values = (key_id, master.lookup(subject), wrapped, master.id)
        await connection.execute(INSERT_SUBJECT_KEY, values)


async def _register_master(connection: Connection, file: MasterKeyFile) -> MasterKey | None:
    """Register the file's key, which is created if need be; None if another process was faster."""
    master = file.create()
    cursor = await connection.execute(INSERT_MASTER, (master.id,))
    if not cursor.rowcount:
        return None
    return master


# Reading events: decrypted by the keys that still exist, with one query for a page.
#
# There is no other way from stored states to envelopes and aggregates, so erased values are erased
# for all readers. Without encrypted values, this costs one comparison for each run's first event.

MAX_INLINE_BYTES = 524_288
"""States with up to this many bytes together are parsed in the event loop; more in a thread."""


async def plain_states(
    connection: Connection,
    master_keys: MasterKeyFile | None,
    events: Iterable[tuple[UUID, int, bytes]],
) -> dict[UUID, bytes]:
    """Return, by aggregate, the decrypted states of those of these events that are encrypted.

    Only an aggregate's first event may be encrypted.

    Args:
        connection: the connection that has read the events, in the same snapshot or later.
        master_keys: the file of the master key, which unwraps the subjects' keys.
        events: of each event, its aggregate's id, its version and its stored state.

    Raises:
        SubjectKeysUnavailableError: keys cannot be unwrapped.
        CiphertextError: a stored state was changed.
    """
    parts: dict[UUID, tuple[JsonObject, Sequence[str]]] = {}
    for aggregate_id, version, state in events:
        if version != 1:
            continue
        part = encrypted_part(version, state)
        if part is not None:
            parts[aggregate_id] = part
    if not parts:
        return {}
    key_ids: set[str] = set()
    for _, needed_ids in parts.values():
        key_ids.update(needed_ids)
    keys = await keys_by_id(connection, master_keys, key_ids)
    plain: dict[UUID, bytes] = {}
    for aggregate_id, (fields, _) in parts.items():
        plain[aggregate_id] = decrypt(aggregate_id, fields, keys)
    return plain


async def envelopes(
    connection: Connection, master_keys: MasterKeyFile | None, rows: Sequence[EventRow]
) -> list[Envelope]:
    """Return the envelopes of rows of the log, decrypted.

    Raises:
        SubjectKeysUnavailableError: keys cannot be unwrapped.
        CiphertextError: a stored state was changed.
    """
    candidates = [row for row in rows if _may_be_encrypted(row)]
    if candidates:
        plain = await plain_states(connection, master_keys, map(event_of, candidates))
        rows = [_decrypted(row, plain) for row in rows]
    if sum(len(row["state"]) for row in rows) > MAX_INLINE_BYTES:
        return await asyncio.to_thread(_envelopes, rows)
    return _envelopes(rows)


def _envelopes(rows: Sequence[EventRow]) -> list[Envelope]:
    return [to_envelope(row) for row in rows]


def _may_be_encrypted(row: EventRow) -> bool:
    if row["originator_version"] != 1:
        return False
    return row["state"].startswith(CIPHERTEXT_MARK)


def _decrypted(row: EventRow, plain: Mapping[UUID, bytes]) -> EventRow:
    if row["originator_version"] != 1:
        return row
    state = plain.get(UUID(row["originator_id"]))
    if state is None:
        return row
    return {**row, "state": state}


class StateRow(TypedDict):
    """The columns of the log that show whether an event is encrypted."""

    originator_id: ReadOnly[str]
    originator_version: ReadOnly[int]
    state: ReadOnly[bytes]


async def first_plain_states(
    connection: Connection, master_keys: MasterKeyFile | None, ids: Sequence[UUID]
) -> dict[UUID, bytes]:
    """Return `plain_states` of the aggregates' first events that are not archived."""
    if not ids:
        return {}
    values = {"ids": ids, "mark": CIPHERTEXT_MARK}
    events = map(event_of, await read_rows(connection, StateRow, FIRST_ENCRYPTED, values))
    return await plain_states(connection, master_keys, events)


def event_of(row: StateRow) -> tuple[UUID, int, bytes]:
    """Return a row of the log as `plain_states` needs it."""
    return UUID(row["originator_id"]), row["originator_version"], row["state"]


# Writing personal data, and erasing them.


async def encrypted_unit(
    connection: Connection, master_keys: MasterKeyFile | None, unit: Unit
) -> Unit:
    """Return the unit with its personal values encrypted.

    Its append is refused if one of its subjects is erased meanwhile. Keys are created and committed
    before; a key that is not used does no harm.

    Raises:
        VersionConflictError: a key that the unit names was destroyed.
        SubjectKeysUnavailableError: the master key is missing.
    """
    by_subject: dict[str | UUID, SubjectKey] = {}
    keys: dict[str, SubjectKey] = {}
    for name, subject in unit.personal.items():
        if subject not in by_subject:
            by_subject[subject] = await _key_of(connection, master_keys, subject)
        keys[name] = by_subject[subject]
    expects = dict(unit.expects)
    for key_id, _ in by_subject.values():
        expects[key_id] = 0  # The first event of a key's history is its erasure.
    first, *others = unit.events
    return replace(unit, events=[encrypt(first, keys), *others], expects=expects, personal={})


async def key_id_of(
    connection: Connection, master_keys: MasterKeyFile | None, subject: str
) -> UUID | None:
    """Return the id of the subject's key, None if it has none.

    Raises:
        SubjectKeysUnavailableError: the master key is missing.
    """
    key = await find_key(connection, master_keys, subject)
    if key is None:
        return None
    key_id, _ = key
    return key_id


async def unfinished_runs(connection: Connection, key_id: UUID) -> list[UUID]:
    """Return the pending and running runs that hold data encrypted by this key."""
    return await read_ids(connection, UNFINISHED_RUNS_OF, {"key_id": str(key_id)})


class _ScheduleRow(TypedDict):
    """A schedule with personal values of a subject, and the names of these parameters."""

    id: ReadOnly[str]
    names: ReadOnly[list[str]]


async def schedules_of(connection: Connection, subject: str) -> dict[UUID, list[str]]:
    """Return the schedules with personal values of a subject, and these parameters' names."""
    values = {"subject": subject, "erased": ERASED, "mark": MARK}
    rows = await read_rows(connection, _ScheduleRow, SCHEDULES_OF, values)
    return {UUID(row["id"]): row["names"] for row in rows}


async def erase(connection: Connection, key_id: UUID) -> int:
    """Destroy the key in the caller's transaction; return the number of rows that it changed."""
    await connection.execute(DELETE_SUBJECT_KEY, (key_id,))
    cursor = await connection.execute(ERASE_ROWS, {"key_id": str(key_id), "erased": ERASED})
    return cursor.rowcount


async def _key_of(
    connection: Connection, master_keys: MasterKeyFile | None, subject: str | UUID
) -> SubjectKey:
    """Return a subject's key, by the subject's name or the key's id."""
    if isinstance(subject, UUID):
        return await _key_by_id(connection, master_keys, subject)
    return await find_or_create_key(connection, master_keys, subject)


async def _key_by_id(
    connection: Connection, master_keys: MasterKeyFile | None, key_id: UUID
) -> SubjectKey:
    key_text = str(key_id)
    keys = await keys_by_id(connection, master_keys, [key_text])
    key = keys.get(key_text)
    if key is None:
        raise VersionConflictError(f"the subject of key {key_id} was erased")
    return key_id, key
