"""Rows of `log_seals`; none is believed before its signature and its hashes have been checked."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from eventlog.keys.sealing import SealKeys
from eventlog.seal import statements
from eventlog.seal.leaves import Leaf
from eventlog.seal.merkle import Frontier
from eventlog.seal.seal import (
    SealError,
    SignedHead,
    entries_hash,
    entries_of,
    tree_of,
    trusted,
)
from projections.rows import Connection

SEALS_CHUNK = 50
"""Rows in memory at a time; one has up to 32 kB of hashes."""


@dataclass(frozen=True)
class StoredSeal:
    """A row as it stands in the table; what an editor made NULL or something else is empty here."""

    number: int
    size: int
    position: int
    head: str
    signature: bytes
    runs: list[int]
    leaves: bytes
    peaks: bytes


@dataclass(frozen=True)
class JudgedSeal:
    """What of a row can be believed.

    Attributes:
        number: the row's own number, believed or not.
        signed: its head, None if that is not a head of this log and number, signed by a trusted
            key.
        entries: the events that it lists, None if the list is not the one that was signed.
        tree: the tree's peaks, None if they are not those of the root.
        problems: what is wrong with the row.
    """

    number: int
    signed: SignedHead | None = None
    entries: list[Leaf] | None = None
    tree: Frontier | None = None
    problems: list[str] = field(default_factory=list)


async def last_seal(connection: Connection) -> StoredSeal | None:
    """Return the last row, None if there is none."""
    cursor = await connection.execute(statements.LAST_SEAL)
    row = await cursor.fetchone()
    if row is None:
        return None
    return _stored(row)


async def seal_covering(connection: Connection, position: int) -> StoredSeal | None:
    """Return the row under which a position falls, None if that is not sealed."""
    cursor = await connection.execute(statements.SEAL_COVERING, (position,))
    row = await cursor.fetchone()
    if row is None:
        return None
    return _stored(row)


async def all_seals(connection: Connection) -> AsyncIterator[StoredSeal]:
    """Yield every row, by number. It needs a transaction."""
    async with connection.cursor("seals") as cursor:
        await cursor.execute(statements.SEALS)
        while rows := await cursor.fetchmany(SEALS_CHUNK):
            for row in rows:
                yield _stored(row)


def judge(row: StoredSeal, keys: SealKeys, log_id: str) -> JudgedSeal:
    """Find out what of a row can be believed."""
    number = row.number
    try:
        signed = trusted(keys, row.head, row.signature)
    except SealError as error:
        problem = f"seal {number}: {error}"
        return JudgedSeal(number, problems=[problem])
    head = signed.head
    if head.log_id != log_id:
        problem = f"seal {number} was made for another log, {head.log_id}"
        return JudgedSeal(number, problems=[problem])
    if head.number != number:
        problem = f"what stands as seal {number} was signed as seal {head.number}"
        return JudgedSeal(number, problems=[problem])
    problems: list[str] = []
    if row.size != head.size:
        problems.append(f"seal {number}: its column size was altered")
    if row.position != head.position:
        problems.append(f"seal {number}: its column position was altered")
    entries: list[Leaf] | None = None
    if entries_hash(row.runs, row.leaves) == head.entries:
        entries = entries_of(row.runs, row.leaves)
    else:
        problems.append(f"seal {number}: its list of events was altered")
    tree: Frontier | None = None
    try:
        tree = tree_of(head, row.peaks)
    except SealError as error:
        told = f"seal {number}: {error}"
        problems.append(told)
    return JudgedSeal(
        number=number, signed=signed, entries=entries, tree=tree, problems=problems
    )


def _stored(row: Mapping[str, Any]) -> StoredSeal:
    return StoredSeal(
        number=_int(row["number"]),
        size=_int(row["size"]),
        position=_int(row["position"]),
        head=str(row["head"]),
        signature=as_bytes(row["signature"]),
        runs=_ints(row["runs"]),
        leaves=as_bytes(row["leaves"]),
        peaks=as_bytes(row["peaks"]),
    )


def _int(value: object) -> int:
    if not isinstance(value, int):
        return -1
    return value


def _ints(value: object) -> list[int]:
    if not isinstance(value, list):
        return []
    if not all(isinstance(one, int) for one in value):
        return []
    return value


def as_bytes(value: object) -> bytes:
    """Return a column's bytes; what an editor put in their place counts as none."""
    if not isinstance(value, bytes):
        return b""
    return value
