"""Seals: signed heads of a Merkle tree over the log, each of which names the one before.

First heads and seals, then heads kept in files outside the database, then the rows of `log_seals`.

A head states that this log's first `size` events, up to `position`, have this root. Its canonical
JSON is signed. Its `entries` covers the hashes and positions of the seal's own events, its `root`
the tree's peaks. So no column of the table can be altered unnoticed.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from eventlog.database.sql import LOG_ID
from eventlog.seal.keys import SealKeys
from eventlog.seal.tree import HASH_SIZE, Frontier, Leaf
from projections.rows import Connection
from runtime.files import write_atomically

FORMAT = "apphub-jobs seal 1"

NO_PREVIOUS = "0" * 64
"""`previous` of the first seal."""

_NAMES = {"log_id": "logId", "sealed_at": "sealedAt"}
"""Names of a head's fields in JSON, where they differ."""

_FIELD_NAMES = {json_name: name for name, json_name in _NAMES.items()}


class SealError(Exception):
    """Seals or heads are invalid; the message says what is wrong."""


@dataclass(frozen=True)
class Head:
    """The signed part of a seal. Hashes are hexadecimal.

    Attributes:
        log_id: the log's id.
        number: the seal's number, from 1.
        size: number of events in the tree.
        root: the tree's root.
        position: position of the last event.
        entries: hash of the leaves and positions that this seal added.
        previous: hash of the previous seal.
        sealed_at: the sealer's time, as ISO 8601 text.
        key: id of the signing key.
    """

    log_id: str
    number: int
    size: int
    root: str
    position: int
    entries: str
    previous: str
    sealed_at: str
    key: str

    def present(self) -> dict[str, Any]:
        """Return the head as plain JSON."""
        return {_NAMES.get(name, name): value for name, value in asdict(self).items()}

    def text(self) -> str:
        """Return the canonical JSON: names sorted, no spaces."""
        return orjson.dumps(self.present(), option=orjson.OPT_SORT_KEYS).decode()


@dataclass(frozen=True)
class SignedHead:
    """A head with a valid signature."""

    head: Head
    signature: bytes

    @property
    def hash(self) -> str:
        """The hash that the next seal has as `previous`."""
        return sha256(_message(self.head.text()) + self.signature).hexdigest()

    def present(self) -> dict[str, Any]:
        """Return the head as it is exported."""
        return {"format": FORMAT, "head": self.head.present(), "signature": self.signature.hex()}


@dataclass(frozen=True)
class Seal:
    """A seal, as a row of `log_seals` stores it.

    Attributes:
        signed: its head.
        runs: the first and last position of each unbroken run of positions that this seal added.
        leaves: the hashes of the events at these positions, concatenated.
        peaks: the tree's peaks, concatenated.
    """

    signed: SignedHead
    runs: list[int]
    leaves: bytes
    peaks: bytes

    def row(self) -> tuple[object, ...]:
        """Return the values for `INSERT_SEAL`."""
        head = self.signed.head
        return (
            head.number,
            head.size,
            head.position,
            head.text(),
            self.signed.signature,
            self.runs,
            self.leaves,
            self.peaks,
        )


def sign(keys: SealKeys, head: Head) -> SignedHead:
    """Return the head with the present key's signature."""
    return SignedHead(head, keys.sign(_message(head.text())))


def verified_head(keys: SealKeys, text: str, signature: bytes) -> SignedHead:
    """Return the head in a signed text.

    Raises:
        SealError: no trusted key signed it.
    """
    if not keys.verify(_message(text), signature):
        raise SealError("it is not signed by a key that is trusted")
    return SignedHead(_to_head(orjson.loads(text)), signature)


def head_of_document(keys: SealKeys, document: Any) -> SignedHead:
    """Return the head of an exported document.

    Raises:
        SealError: it is not a head, or no trusted key signed it.
    """
    try:
        head = _to_head(document["head"])
        signature = bytes.fromhex(document["signature"])
    except (AttributeError, KeyError, TypeError, ValueError):
        raise SealError("it is not the head of a seal") from None
    if document.get("format") != FORMAT:
        raise SealError(f"its format is not {FORMAT!r}")
    return verified_head(keys, head.text(), signature)


def entries_hash(runs: Sequence[int], leaves: bytes) -> str:
    """Return the hash of the positions and leaves that a seal added."""
    digest = sha256()
    for number in (len(runs), *runs):
        digest.update(number.to_bytes(8, "big", signed=True))
    digest.update(leaves)
    return digest.hexdigest()


def to_runs(positions: Sequence[int]) -> list[int]:
    """Return ascending positions as the first and last of each unbroken run."""
    runs: list[int] = []
    for position in positions:
        if runs and runs[-1] == position - 1:
            runs[-1] = position
        else:
            runs += (position, position)
    return runs


def entries_of(runs: Sequence[int], leaves: bytes) -> list[Leaf]:
    """Return the positions and leaf hashes that a seal added.

    Raises:
        ValueError: the numbers of hashes and positions differ.
    """
    positions: list[int] = []
    for first, last in pairs(runs):
        positions += range(first, last + 1)
    return list(zip(positions, split(leaves), strict=True))


def pairs(runs: Sequence[int]) -> list[tuple[int, int]]:
    """Return the runs as pairs of their first and last position."""
    return list(zip(runs[::2], runs[1::2], strict=True))


def split(hashes: bytes) -> list[bytes]:
    """Return concatenated hashes as a list."""
    starts = range(0, len(hashes), HASH_SIZE)
    return [hashes[start : start + HASH_SIZE] for start in starts]


def tree_of(head: Head, peaks: bytes) -> Frontier:
    """Return a head's tree.

    Raises:
        SealError: the peaks are not those of the head's root.
    """
    try:
        tree = Frontier(head.size, split(peaks))
    except ValueError as error:
        raise SealError(str(error)) from None
    if tree.root().hex() != head.root:
        raise SealError("its peaks do not have its root")
    return tree


def _to_head(fields: dict[str, Any]) -> Head:
    return Head(**{_FIELD_NAMES.get(name, name): value for name, value in fields.items()})


def _message(text: str) -> bytes:
    return f"{FORMAT}\n{text}".encode()


# Heads kept outside the database: a file has one JSON document in each line.


@dataclass(frozen=True)
class KeptHead:
    """A head from a file, with a valid signature.

    Attributes:
        signed: the head.
        tree: its tree, if the file has the peaks: they narrow down where a log was changed.
        source: the file's path, for messages.
    """

    signed: SignedHead
    tree: Frontier | None
    source: str


def export(signed: SignedHead, tree: Frontier) -> bytes:
    """Return a head and its tree's peaks as one line of JSON."""
    document = {**signed.present(), "peaks": [peak.hex() for peak in tree.peaks]}
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def read_kept(path: Path, keys: SealKeys) -> list[KeptHead]:
    """Return the heads in a file.

    Raises:
        SealError: it cannot be read, or has anything but heads signed by a trusted key.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise SealError(f"cannot read {path}: {error.strerror}") from None
    try:
        heads = [_to_kept_head(document, keys, str(path)) for document in _documents(text)]
    except SealError as error:
        raise SealError(f"cannot use the heads in {path}: {error}") from None
    if not heads:
        raise SealError(f"{path} is empty")
    return heads


def read_head(path: Path, keys: SealKeys) -> SignedHead | None:
    """Return the last head in a sealer's file; None if there is no file.

    Raises:
        SealError: the file cannot be read, or is not valid.
    """
    if not path.exists():
        return None
    return read_kept(path, keys)[-1].signed


def write_head(path: Path, signed: SignedHead, tree: Frontier) -> None:
    """Replace the head in a sealer's file; after a crash the file has the old one or the new one.

    Raises:
        OSError: it cannot be written.
    """
    write_atomically(path, export(signed, tree))


def _documents(text: bytes) -> list[Any]:
    try:
        return [orjson.loads(text)]
    except ValueError:
        pass
    try:
        return [orjson.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError as error:
        raise SealError(f"it is not JSON: {error}") from None


def _to_kept_head(document: Any, keys: SealKeys, source: str) -> KeptHead:
    signed = head_of_document(keys, document)
    if "peaks" not in document:
        return KeptHead(signed, None, source)
    try:
        peaks = [bytes.fromhex(peak) for peak in document["peaks"]]
    except (TypeError, ValueError):
        raise SealError("its peaks are not hashes") from None
    return KeptHead(signed, tree_of(signed.head, b"".join(peaks)), source)


SEAL_LOCK = 4_870_226_913_547_350_918
"""Key of the advisory lock that lets one process seal at a time. Appends do not take it."""


TRY_SEAL_LOCK = f"SELECT pg_try_advisory_xact_lock({SEAL_LOCK}) AS held"


SEAL_COLUMNS = "number, size, position, head, signature, runs, leaves, peaks"


INSERT_SEAL = f"INSERT INTO log_seals ({SEAL_COLUMNS}) VALUES (%s, %s, %s, %s, %b, %s, %b, %b)"


LAST_SEAL = f"SELECT {SEAL_COLUMNS} FROM log_seals ORDER BY number DESC LIMIT 1"


TIP = f"""
    SELECT number, head, signature, peaks, ({LOG_ID}) AS log_id
    FROM log_seals ORDER BY number DESC LIMIT 1
"""


SEALED_HEAD = "SELECT head FROM log_seals WHERE number = %s"


SEALS = f"SELECT {SEAL_COLUMNS} FROM log_seals ORDER BY number"


SEAL_COVERING = f"""
    SELECT {SEAL_COLUMNS} FROM log_seals WHERE position >= %s ORDER BY position LIMIT 1
"""


SEALED_EVENTS = """
    SELECT coalesce((SELECT size FROM log_seals ORDER BY number DESC LIMIT 1), 0) AS events
"""


# Rows of `log_seals`. None is trusted before its signature and its hashes have been checked.

SEALS_CHUNK = 50
"""Rows in memory at a time; one has up to 32 kB of hashes."""


@dataclass(frozen=True)
class StoredSeal:
    """A row of the table; a column that was edited to NULL or another type is empty here."""

    number: int
    size: int
    position: int
    head: str
    signature: bytes
    runs: list[int]
    leaves: bytes
    peaks: bytes


@dataclass(frozen=True)
class VerifiedSeal:
    """The trusted parts of a row.

    Attributes:
        number: the number in the row, trusted or not.
        signed: its head; None if that is not signed by a trusted key, or is one of another log or
            number.
        entries: the events that it lists; None if the list is not the one that was signed.
        tree: its tree; None if the peaks do not have the head's root.
        problems: what is wrong with the row.
    """

    number: int
    signed: SignedHead | None = None
    entries: list[Leaf] | None = None
    tree: Frontier | None = None
    problems: list[str] = field(default_factory=list)


async def last_seal(connection: Connection) -> StoredSeal | None:
    """Return the last seal; None if there is none."""
    cursor = await connection.execute(LAST_SEAL)
    row = await cursor.fetchone()
    return None if row is None else _to_seal(row)


async def seal_covering(connection: Connection, position: int) -> StoredSeal | None:
    """Return the seal that covers a position; None if the position is not sealed."""
    cursor = await connection.execute(SEAL_COVERING, (position,))
    row = await cursor.fetchone()
    return None if row is None else _to_seal(row)


async def all_seals(connection: Connection) -> AsyncIterator[StoredSeal]:
    """Yield every seal, by number. Call it in a transaction."""
    async with connection.cursor("seals") as cursor:
        await cursor.execute(SEALS)
        while rows := await cursor.fetchmany(SEALS_CHUNK):
            for row in rows:
                yield _to_seal(row)


def check_seal(row: StoredSeal, keys: SealKeys, log_id: str) -> VerifiedSeal:
    """Return the trusted parts of a row."""
    number = row.number
    try:
        signed = verified_head(keys, row.head, row.signature)
    except SealError as error:
        problem = f"seal {number}: {error}"
        return VerifiedSeal(number, problems=[problem])
    head = signed.head
    if head.log_id != log_id:
        problem = f"seal {number} was made for another log, {head.log_id}"
        return VerifiedSeal(number, problems=[problem])
    if head.number != number:
        problem = f"the row of seal {number} was signed as seal {head.number}"
        return VerifiedSeal(number, problems=[problem])
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
        problems.append(f"seal {number}: {error}")
    return VerifiedSeal(number=number, signed=signed, entries=entries, tree=tree, problems=problems)


def _to_seal(row: Mapping[str, Any]) -> StoredSeal:
    return StoredSeal(
        number=_as_int(row["number"]),
        size=_as_int(row["size"]),
        position=_as_int(row["position"]),
        head=str(row["head"]),
        signature=as_bytes(row["signature"]),
        runs=_as_ints(row["runs"]),
        leaves=as_bytes(row["leaves"]),
        peaks=as_bytes(row["peaks"]),
    )


def _as_int(value: object) -> int:
    return value if isinstance(value, int) else -1


def _as_ints(value: object) -> list[int]:
    if isinstance(value, list) and all(isinstance(number, int) for number in value):
        return value
    return []


def as_bytes(value: object) -> bytes:
    """Return a column's bytes; another type counts as empty."""
    return value if isinstance(value, bytes) else b""
