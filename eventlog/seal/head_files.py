"""Heads kept outside the database: one JSON document a line, so that a file may gather many."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from eventlog.keys.sealing import SealKeys
from eventlog.seal.merkle import Frontier
from eventlog.seal.seal import SealError, SignedHead, presented, tree_of
from runtime.durable_files import write_whole


@dataclass(frozen=True)
class KeptHead:
    """A head from a file, whose signature holds.

    Attributes:
        signed: the head.
        tree: the tree's peaks, if the file has them; they tell more exactly where a log was
            changed.
        source: the file.
    """

    signed: SignedHead
    tree: Frontier | None
    source: str


def exported(signed: SignedHead, tree: Frontier) -> bytes:
    """Return a head as one line of JSON."""
    peaks = [peak.hex() for peak in tree.peaks]
    document = {**signed.present(), "peaks": peaks}
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def read_kept(path: Path, keys: SealKeys) -> list[KeptHead]:
    """Return the heads that a file holds.

    Raises:
        SealError: it cannot be read, or something in it is not a head signed by a trusted key.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise SealError(message) from None
    try:
        documents = _documents(text)
        heads = [_kept(document, keys, str(path)) for document in documents]
    except SealError as error:
        raise SealError(f"cannot use what {path} holds: {error}") from None
    if not heads:
        raise SealError(f"{path} is empty")
    return heads


def read_head(path: Path, keys: SealKeys) -> SignedHead | None:
    """Return the last head that a sealer kept, None if it has kept none.

    Raises:
        SealError: the file cannot be read, or holds something else.
    """
    if not path.exists():
        return None
    heads = read_kept(path, keys)
    return heads[-1].signed


def write_head(path: Path, signed: SignedHead, tree: Frontier) -> None:
    """Replace the head that is kept; after a crash the file holds the old one or the new one.

    Raises:
        OSError: it cannot be written.
    """
    write_whole(path, exported(signed, tree))


def _documents(text: bytes) -> list[Any]:
    try:
        return [orjson.loads(text)]
    except ValueError:
        pass
    try:
        lines = text.splitlines()
        return [orjson.loads(line) for line in lines if line.strip()]
    except ValueError as error:
        raise SealError(f"it is not JSON: {error}") from None


def _kept(document: Any, keys: SealKeys, source: str) -> KeptHead:
    signed = presented(keys, document)
    if "peaks" not in document:
        return KeptHead(signed, None, source)
    try:
        peaks = [bytes.fromhex(peak) for peak in document["peaks"]]
    except (TypeError, ValueError):
        raise SealError("its peaks are not hashes") from None
    tree = tree_of(signed.head, b"".join(peaks))
    return KeptHead(signed, tree, source)
