"""Events as they are read: decrypted by the keys that still exist, all of a page by one query.

This is the only way from stored states to envelopes and aggregates, so whatever has been erased is
erased for all. Where nothing is encrypted it costs a look at each run's first event.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain.json_values import JsonObject
from eventlog.keys.master import MasterKeyFile
from eventlog.personal import statements
from eventlog.personal.cipher import MARK, decrypt, encrypted_part
from eventlog.personal.subject_keys import keys_by_id
from projections.envelope import Envelope, EventRow, to_envelope
from projections.rows import Connection, read_rows

MOST_AT_ONCE = 524_288
"""Bytes of states that are parsed in the loop; for more, others would wait."""


async def plain_states(
    connection: Connection,
    master_keys: MasterKeyFile | None,
    events: Iterable[tuple[UUID, int, bytes]],
) -> dict[UUID, bytes]:
    """Return, by aggregate, the plain state of each of these events that is encrypted.

    Only an aggregate's first event ever is.

    Args:
        connection: where the events were read, in the same snapshot or afterwards.
        master_keys: opens the subjects' keys.
        events: aggregate's id, version and stored state of each.

    Raises:
        SubjectKeysUnavailableError: keys cannot be unwrapped.
        CiphertextError: somebody has changed what was stored.
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
        CiphertextError: somebody has changed what was stored.
    """
    suspects = [row for row in rows if _may_be_encrypted(row)]
    if suspects:
        events = map(event_of, suspects)
        plain = await plain_states(connection, master_keys, events)
        rows = [_decrypted(row, plain) for row in rows]
    size = sum(len(row["state"]) for row in rows)
    if size > MOST_AT_ONCE:
        return await asyncio.to_thread(_envelopes, rows)
    return _envelopes(rows)


def _envelopes(rows: Sequence[EventRow]) -> list[Envelope]:
    return [to_envelope(row) for row in rows]


def _may_be_encrypted(row: EventRow) -> bool:
    if row["originator_version"] != 1:
        return False
    state = row["state"]
    return state.startswith(MARK)


def _decrypted(row: EventRow, plain: Mapping[UUID, bytes]) -> EventRow:
    if row["originator_version"] != 1:
        return row
    aggregate_id = UUID(row["originator_id"])
    state = plain.get(aggregate_id)
    if state is None:
        return row
    return {**row, "state": state}


class StateRow(TypedDict):
    """What of a row of the log tells whether the event is encrypted."""

    originator_id: ReadOnly[str]
    originator_version: ReadOnly[int]
    state: ReadOnly[bytes]


async def first_plain_states(
    connection: Connection, master_keys: MasterKeyFile | None, ids: Sequence[UUID]
) -> dict[UUID, bytes]:
    """Return what `plain_states` does of the aggregates' first events that are not archived."""
    if not ids:
        return {}
    values = {"ids": ids, "mark": MARK}
    rows = await read_rows(connection, StateRow, statements.FIRST_ENCRYPTED, values)
    events = map(event_of, rows)
    return await plain_states(connection, master_keys, events)


def event_of(row: StateRow) -> tuple[UUID, int, bytes]:
    """Return of a row of the log what `plain_states` looks at."""
    aggregate_id = UUID(row["originator_id"])
    return aggregate_id, row["originator_version"], row["state"]
