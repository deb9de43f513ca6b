"""Seals: signed heads of a Merkle tree over the log, each naming the one before, with what a check needs.

A head says: this log's first `size` events, up to `position`, have this root. What is signed is its
text, canonical JSON; the rest of a seal (the hashes of its own events, their positions) is covered
by the head's `entries`, and the tree's peaks by its `root`. So no column of the table can be
altered unnoticed.
"""

from collections.abc import Iterator, Sequence
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


class SealError(Exception):
    """Seals or heads are not what they must be; the message says what is wrong."""


@dataclass(frozen=True)
class Head:
    """What is signed. Hashes are hexadecimal.

    Attributes:
        log_id: the log's name.
        number: the how many-th seal this is, from 1 on.
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
        return {_NAMES.get(name, name): value for name, value in asdict(self).items()}

    def text(self) -> str:
        """Return the canonical JSON: names sorted, no spaces."""
        return orjson.dumps(self.present(), option=orjson.OPT_SORT_KEYS).decode()


@dataclass(frozen=True)
class SignedHead:
    """A head whose signature holds."""

    head: Head
    signature: bytes

    @property
    def hash(self) -> str:
        """Return what the next seal names as the one before it."""
        return sha256(_message(self.head.text()) + self.signature).hexdigest()

    def present(self) -> dict[str, Any]:
        """Return the head as it is exported."""
        return {"format": FORMAT, "head": self.head.present(), "signature": self.signature.hex()}


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
        named = (head.number, head.size, head.position, head.text(), self.signed.signature)
        return (*named, self.runs, self.leaves, self.peaks)


def sign(keys: SealKeys, head: Head) -> SignedHead:
    """Return the head with the present key's signature."""
    return SignedHead(head, keys.sign(_message(head.text())))


def trusted(keys: SealKeys, text: str, signature: bytes) -> SignedHead:
    """Return a head of which only its text and signature are known.

    Raises:
        SealError: no trusted key signed it.
    """
    if not keys.verify(_message(text), signature):
        raise SealError("it is not signed by a key that is trusted")
    return SignedHead(_head(orjson.loads(text)), signature)


def presented(keys: SealKeys, document: Any) -> SignedHead:
    """Return an exported head.

    Raises:
        SealError: it is none, or no trusted key signed it.
    """
    try:
        head, signature = _head(document["head"]), bytes.fromhex(document["signature"])
    except (AttributeError, KeyError, TypeError, ValueError):
        raise SealError("it is not the head of a seal") from None
    if document.get("format") != FORMAT:
        raise SealError(f"its format is not {FORMAT!r}")
    return trusted(keys, head.text(), signature)


def entries_hash(runs: Sequence[int], leaves: bytes) -> str:
    """Return the hash that a head gives over what its seal added."""
    positions = b"".join(
        position.to_bytes(8, "big", signed=True) for position in (len(runs), *runs)
    )
    return sha256(positions + leaves).hexdigest()


def to_runs(positions: Sequence[int]) -> list[int]:
    """Return ascending positions as the first and last of each unbroken run."""
    runs: list[int] = []
    for position in positions:
        if runs and position == runs[-1] + 1:
            runs[-1] = position
        else:
            runs += (position, position)
    return runs


def entries_of(runs: Sequence[int], leaves: bytes) -> Iterator[Leaf]:
    """Yield the positions and leaf hashes that a seal added.

    Raises:
        ValueError: there are not as many of the ones as of the others.
    """
    positions = (position for start, end in pairs(runs) for position in range(start, end + 1))
    return zip(positions, split(leaves), strict=True)


def pairs(runs: Sequence[int]) -> list[tuple[int, int]]:
    """Return the runs as pairs of their first and last position."""
    return list(zip(runs[::2], runs[1::2], strict=True))


def split(hashes: bytes) -> list[bytes]:
    """Return hashes that stand one after the other as a list."""
    return [hashes[start : start + HASH_SIZE] for start in range(0, len(hashes), HASH_SIZE)]


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
    python_names = {shown: name for name, shown in _NAMES.items()}
    return Head(**{python_names.get(name, name): value for name, value in fields.items()})


def _message(text: str) -> bytes:
    return f"{FORMAT}\n{text}".encode()
