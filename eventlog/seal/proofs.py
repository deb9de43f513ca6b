"""Proofs that can be checked without the database.

They prove that an event is under a head, or that the log of one head begins with that of another.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from psycopg_pool import AsyncConnectionPool

from eventlog import encoding
from eventlog.archive.reading import event_at
from eventlog.database import sql
from eventlog.database.connection import borrowed
from eventlog.encoding import RawRow, UnrepresentableEventError, encoded, to_document, to_raw_row
from eventlog.seal.keys import SealKeys
from eventlog.seal.seal import (
    SealError,
    SignedHead,
    all_seals,
    check_seal,
    export,
    head_of_document,
    last_seal,
    seal_covering,
    split,
    tree_of,
    verified_head,
)
from eventlog.seal.tree import (
    Range,
    RangeRoots,
    consistency_ranges,
    inclusion_ranges,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from projections.rows import Connection, read_value
from runtime.text import pluralize

INCLUSION = "apphub-jobs inclusion proof 1"
CONSISTENCY = "apphub-jobs consistency proof 1"


class Prover:
    """Makes proofs from the hashes in the seals. Each is checked before it is returned."""

    def __init__(
        self, pool: AsyncConnectionPool[Connection], archive: Path | None, keys: SealKeys
    ) -> None:
        self._pool = pool
        self._archive = archive
        self._keys = keys

    async def inclusion(self, position: int, head: SignedHead | None = None) -> dict[str, Any]:
        """Prove that an event is under a head.

        Args:
            position: the event's position.
            head: the head; None for the log's last one.

        Raises:
            SealError: it is not, or the log is not what was sealed.
        """
        async with borrowed(self._pool) as connection, connection.transaction():
            signed = head
            if signed is None:
                signed, _ = await self._last_head(connection)
            size = signed.head.size
            index = await self._index(connection, position)
            if index is None or index >= size:
                raise SealError(f"seal {signed.head.number} covers no event at position {position}")
            event = await _event(connection, self._archive, position)
            path = await self._roots(connection, inclusion_ranges(index, size))
        proof = {
            "format": INCLUSION,
            "event": _to_document(event),
            "index": index,
            "path": [node.hex() for node in path],
            "seal": signed.present(),
        }
        check_proof(proof, self._keys)
        return proof

    async def consistency(self, old: SignedHead) -> dict[str, Any]:
        """Prove that the log under its last head begins with the log under an old one.

        Raises:
            SealError: it does not.
        """
        async with borrowed(self._pool) as connection, connection.transaction():
            new, _ = await self._last_head(connection)
            size = new.head.size
            old_size = old.head.size
            if old_size > size:
                raise SealError(
                    f"the log has {pluralize(size, 'sealed event')}, fewer than the {old_size} of"
                    " that seal"
                )
            path = await self._roots(connection, consistency_ranges(old_size, size))
        proof = {
            "format": CONSISTENCY,
            "old": old.present(),
            "path": [node.hex() for node in path],
            "new": new.present(),
        }
        check_proof(proof, self._keys)
        return proof

    async def export(self) -> bytes:
        """Return the log's last head as one line of JSON, to be kept elsewhere.

        Raises:
            SealError: there is none, or it is not as it was signed.
        """
        async with borrowed(self._pool) as connection:
            signed, peaks = await self._last_head(connection)
        return export(signed, tree_of(signed.head, peaks))

    async def _last_head(self, connection: Connection) -> tuple[SignedHead, bytes]:
        """Return the log's last head, and the peaks of its tree.

        Raises:
            SealError: there is none, or no trusted key signed it.
        """
        row = await last_seal(connection)
        if row is None:
            raise SealError("the log has no seal yet")
        return verified_head(self._keys, row.head, row.signature), row.peaks

    async def _index(self, connection: Connection, position: int) -> int | None:
        """Return the index of the sealed event at a position; None if there is none."""
        row = await seal_covering(connection, position)
        if row is None:
            return None
        seal = check_seal(row, self._keys, await read_value(connection, str, sql.LOG_ID))
        if seal.signed is None or seal.entries is None:
            raise SealError(f"{seal.problems[0]}: run `seal verify`")
        positions = [sealed for sealed, _ in seal.entries]
        if position not in positions:
            return None
        return seal.signed.head.size - len(positions) + positions.index(position)

    async def _roots(self, connection: Connection, ranges: Sequence[Range]) -> list[bytes]:
        roots = RangeRoots(ranges)
        async for seal in all_seals(connection):
            roots.push_all(split(seal.leaves))
        try:
            return roots.roots()
        except ValueError:
            raise SealError("seals are missing: run `seal verify`") from None


def check_proof(proof: Any, keys: SealKeys) -> str:
    """Check a proof by the public keys alone; return what it proves, for people.

    Raises:
        SealError: it proves nothing.
    """
    try:
        path = [bytes.fromhex(node) for node in proof["path"]]
        kind = proof["format"]
        if kind == INCLUSION:
            return _check_inclusion(proof, path, keys)
        if kind == CONSISTENCY:
            return _check_consistency(proof, path, keys)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise SealError(f"it is not a proof: {error!r}") from None
    raise SealError(f"it is not a proof: its format is {kind!r}")


def _check_inclusion(proof: dict[str, Any], path: Sequence[bytes], keys: SealKeys) -> str:
    head = head_of_document(keys, proof["seal"]).head
    event = proof["event"]
    index = proof["index"]
    leaf = leaf_hash(encoded(to_raw_row(event)))
    root = bytes.fromhex(head.root)
    position = event["position"]
    if not verify_inclusion(leaf, index, head.size, path, root):
        raise SealError(
            f"this event is not what was sealed at position {position}: run `seal verify`"
        )
    return (
        f"the event at position {position} is event {index + 1}"
        f" of the {head.size} under seal {head.number} of log {head.log_id},"
        f" made at {head.sealed_at}"
    )


def _check_consistency(proof: dict[str, Any], path: Sequence[bytes], keys: SealKeys) -> str:
    old = head_of_document(keys, proof["old"]).head
    new = head_of_document(keys, proof["new"]).head
    if old.log_id != new.log_id:
        raise SealError(f"these are seals of two logs, {old.log_id} and {new.log_id}")
    old_root = bytes.fromhex(old.root)
    if not verify_consistency(old.size, old_root, new.size, bytes.fromhex(new.root), path):
        raise SealError(
            f"the log under seal {new.number} does not begin with that under seal {old.number}"
        )
    return (
        f"the {pluralize(new.size, 'event')} under seal {new.number} of log {new.log_id}"
        f" begin with the {old.size} under seal {old.number}"
    )


async def _event(connection: Connection, archive: Path | None, position: int) -> RawRow:
    await connection.execute(encoding.UTF8)
    cursor = encoding.raw_cursor(connection)
    await cursor.execute(encoding.ONE, (position,), binary=True)
    row = await cursor.fetchone()
    if row is not None:
        return row
    archived = await event_at(connection, archive, position)
    if archived is None:
        raise SealError(
            f"the event at position {position} was sealed and is gone: run `seal verify`"
        )
    return to_raw_row(archived)


def _to_document(event: RawRow) -> dict[str, Any]:
    try:
        return to_document(event)
    except UnrepresentableEventError as error:
        raise SealError(str(error)) from None
