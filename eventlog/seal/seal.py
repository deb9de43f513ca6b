"""Seals: signed heads of a Merkle tree over the log, each naming the one before.

A head says: this log's first `size` events, up to `position`, have this root. What is signed is its
text, canonical JSON; the rest of a seal (the hashes of its own events, their positions) is covered
by the head's `entries`, and the tree's peaks by its `root`. So no column of the table can be
altered unnoticed.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

import orjson

from eventlog.keys.sealing import SealKeys
from eventlog.seal.leaves import Leaf
from eventlog.seal.merkle import HASH_SIZE, Frontier

FORMAT = "apphub-jobs seal 1"

NOTHING_BEFORE = "0" * 64
"""What the first seal names as the one before."""

_NAMES = {"log_id": "logId", "sealed_at": "sealedAt"}
"""Names of a head's fields in JSON, where they differ."""

_PYTHON_NAMES = {shown: name for name, shown in _NAMES.items()}


class SealError(Exception):
    """Seals or heads are not what they must be; the message says what is wrong."""


@dataclass(frozen=True)
class Head:
    """What is signed. Hashes are hexadecimal.

    Attributes:
        log_id: the log's name.
        number: seals are numbered from 1 on.
        size: how many events the tree has.
        root: the tree's root.
        position: the last event's.
        entries: the hash over the leaves and positions that this seal added.
        previous: the hash of the seal before.
        sealed_at: the sealer's time, as ISO 8601 text.
        key: the name of the key that signs.
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
        fields = asdict(self)
        return {_NAMES.get(name, name): value for name, value in fields.items()}

    def text(self) -> str:
        """Return the canonical JSON: names sorted, no spaces."""
        document = self.present()
        text = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
        return text.decode()


@dataclass(frozen=True)
class SignedHead:
    """A head whose signature holds."""

    head: Head
    signature: bytes

    @property
    def hash(self) -> str:
        """Return what the next seal names as the one before it."""
        signed = _message(self.head.text()) + self.signature
        return sha256(signed).hexdigest()

    def present(self) -> dict[str, Any]:
        """Return the head as it is exported."""
        return {
            "format": FORMAT,
            "head": self.head.present(),
            "signature": self.signature.hex(),
        }


@dataclass(frozen=True)
class Seal:
    """A row of `log_seals`.

    Attributes:
        runs: the first and last position of each unbroken run of positions that this seal added.
        leaves: the hashes of the events at these positions, one after the other.
        peaks: those of the tree, one after the other.
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
    message = _message(head.text())
    return SignedHead(head, keys.sign(message))


def trusted(keys: SealKeys, text: str, signature: bytes) -> SignedHead:
    """Return a head of which only its text and signature are known.

    Raises:
        SealError: no trusted key signed it.
    """
    message = _message(text)
    if not keys.verify(message, signature):
        raise SealError("it is not signed by a key that is trusted")
    fields = orjson.loads(text)
    return SignedHead(_head(fields), signature)


def presented(keys: SealKeys, document: Any) -> SignedHead:
    """Return an exported head.

    Raises:
        SealError: it is none, or no trusted key signed it.
    """
    try:
        head = _head(document["head"])
        signature = bytes.fromhex(document["signature"])
    except (AttributeError, KeyError, TypeError, ValueError):
        raise SealError("it is not the head of a seal") from None
    if document.get("format") != FORMAT:
        raise SealError(f"its format is not {FORMAT!r}")
    return trusted(keys, head.text(), signature)


def entries_hash(runs: Sequence[int], leaves: bytes) -> str:
    """Return the hash that a head gives over what its seal added."""
    hashed = sha256()
    for number in (len(runs), *runs):
        hashed.update(number.to_bytes(8, "big", signed=True))
    hashed.update(leaves)
    return hashed.hexdigest()


def to_runs(positions: Sequence[int]) -> list[int]:
    """Return ascending positions as the first and last of each unbroken run."""
    runs: list[int] = []
    for position in positions:
        before = position - 1
        if runs and runs[-1] == before:
            runs[-1] = position
        else:
            runs += (position, position)
    return runs


def entries_of(runs: Sequence[int], leaves: bytes) -> list[Leaf]:
    """Return the positions and leaf hashes that a seal added.

    Raises:
        ValueError: there are not as many hashes as positions.
    """
    positions: list[int] = []
    for first, last in pairs(runs):
        end = last + 1
        positions += range(first, end)
    hashes = split(leaves)
    return list(zip(positions, hashes, strict=True))


def pairs(runs: Sequence[int]) -> list[tuple[int, int]]:
    """Return the runs as pairs of their first and last position."""
    firsts = runs[::2]
    lasts = runs[1::2]
    return list(zip(firsts, lasts, strict=True))


def split(hashes: bytes) -> list[bytes]:
    """Return hashes that stand one after the other as a list."""
    starts = range(0, len(hashes), HASH_SIZE)
    return [hashes[start : start + HASH_SIZE] for start in starts]


def tree_of(head: Head, peaks: bytes) -> Frontier:
    """Return the tree that a head speaks of, to compare it or to go on from it.

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


def _head(fields: dict[str, Any]) -> Head:
    named = {_PYTHON_NAMES.get(name, name): value for name, value in fields.items()}
    return Head(**named)


def _message(text: str) -> bytes:
    return f"{FORMAT}\n{text}".encode()
