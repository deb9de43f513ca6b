"""RFC 9162's Merkle tree over an append-only list: roots and proofs. Pure.

First the tree and its proofs, then the leaves: hashes of the log's rows.

A leaf hash is SHA-256(0x00 || data), a node is SHA-256(0x01 || left || right), and a tree of n > 1
leaves splits at the largest power of two below n. `Frontier` builds a root leaf by leaf, with O(log
n) hashes in memory. Proofs consist of roots of ranges of leaves: `inclusion_ranges` and
`consistency_ranges` name them, `RangeRoots` computes them in one pass over all leaves.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from eventlog.database.sql import ARCHIVED_TO, EVENTS_TABLE
from eventlog.encoding import ENCODED, RawRow, encoded, position_of

HASH_SIZE = 32

EMPTY_ROOT = sha256(b"").digest()

Range = tuple[int, int]
"""The leaves from the first index up to the second, which is not included."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """A growing tree, kept as its peaks: the roots of its perfect subtrees, the largest first."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        """Continue from a size and its peaks.

        Raises:
            ValueError: a tree of this size has another number of peaks.
        """
        if size < 0 or len(peaks) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves does not have {len(peaks)} peaks")
        self.size = size
        self._peaks = list(peaks)

    @property
    def peaks(self) -> list[bytes]:
        """Return the roots of the perfect subtrees, from left to right."""
        return list(self._peaks)

    def push(self, leaf: bytes) -> None:
        """Add a leaf, given its hash."""
        self.push_all((leaf,))

    def push_all(self, leaves: Iterable[bytes]) -> None:
        """Add leaves, given their hashes. A sealer spends a fifth of its time here: no calls."""
        peaks = self._peaks
        size = self.size
        for leaf in leaves:
            node = leaf
            carry = size
            while carry & 1:
                node = sha256(b"\x01" + peaks.pop() + node).digest()
                carry >>= 1
            peaks.append(node)
            size += 1
        self.size = size

    def root(self) -> bytes:
        """Return the root over all leaves so far."""
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return root


def peak_ranges(size: int) -> list[Range]:
    """Return the leaves that each peak of a tree covers, from left to right."""
    ranges = []
    start = 0
    for bit in reversed(range(size.bit_length())):
        width = 1 << bit
        if size & width:
            ranges.append((start, start + width))
            start += width
    return ranges


def first_difference(ours: Frontier, theirs: Frontier) -> Range:
    """Return the range of leaves in which two trees may begin to differ, by their peaks.

    All leaves before the range are equal. If two peaks over the same leaves differ, the first
    difference is inside the range; else the range ends with the shorter tree.
    """
    equal_end = 0
    our_peaks = zip(peak_ranges(ours.size), ours.peaks, strict=True)
    their_peaks = zip(peak_ranges(theirs.size), theirs.peaks, strict=True)
    for (ours_covers, our_peak), (theirs_covers, their_peak) in zip(
        our_peaks, their_peaks, strict=False
    ):
        if ours_covers != theirs_covers:
            break
        if our_peak != their_peak:
            return ours_covers
        _, equal_end = ours_covers
    return equal_end, min(ours.size, theirs.size)


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Return the ranges whose roots prove that a tree has leaf `index`, from the leaf upwards.

    Raises:
        ValueError: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    start = 0
    end = size
    siblings: list[Range] = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((start, middle))
            start = middle
    return siblings[::-1]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """Return the ranges whose roots prove that a tree of `new` leaves begins with one of `old`.

    Raises:
        ValueError: not 0 < old <= new.
    """
    if not 0 < old <= new:
        raise ValueError(f"a tree of {new} leaves does not extend one of {old}")
    start = 0
    end = new
    siblings: list[Range] = []
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((start, middle))
            start = middle
    siblings.reverse()
    if start == 0:
        # The old tree is itself a subtree of the new one, so the verifier knows this root.
        return siblings
    return [(start, end), *siblings]


def verify_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> bool:
    """Return whether the path leads from the leaf's hash to the root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node_index = index
    last = size - 1
    node = leaf
    for sibling in path:
        if last == 0:
            return False
        if node_index & 1 or node_index == last:
            node = node_hash(sibling, node)
            node_index, last = _skip_levels_without_sibling(node_index, last)
        else:
            node = node_hash(node, sibling)
        node_index >>= 1
        last >>= 1
    return last == 0 and node == root


def verify_consistency(
    old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]
) -> bool:
    """Return whether the path shows that the new tree begins with the old (RFC 9162, 2.1.4.2)."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    nodes = list(path)
    if old.bit_count() == 1:  # The old tree is itself a subtree of the new one.
        nodes.insert(0, old_root)
    if not nodes:
        return False
    node_index = old - 1
    last = new - 1
    while node_index & 1:
        node_index >>= 1
        last >>= 1
    old_node = nodes[0]
    new_node = nodes[0]
    for sibling in nodes[1:]:
        if last == 0:
            return False
        if node_index & 1 or node_index == last:
            old_node = node_hash(sibling, old_node)
            new_node = node_hash(sibling, new_node)
            node_index, last = _skip_levels_without_sibling(node_index, last)
        else:
            new_node = node_hash(new_node, sibling)
        node_index >>= 1
        last >>= 1
    return last == 0 and old_node == old_root and new_node == new_root


def _skip_levels_without_sibling(node_index: int, last: int) -> tuple[int, int]:
    """Skip the levels on which the last node has no sibling."""
    while node_index and not node_index & 1:
        node_index >>= 1
        last >>= 1
    return node_index, last


class RangeRoots:
    """Computes the roots of ranges that do not overlap, in one pass over all leaves."""

    def __init__(self, ranges: Sequence[Range]) -> None:
        self._ranges = ranges
        self._trees = {range_: Frontier() for range_ in sorted(ranges)}
        self._open = sorted(ranges, reverse=True)
        self._index = 0

    def push_all(self, leaves: Iterable[bytes]) -> None:
        """Add the next leaves, given their hashes."""
        for leaf in leaves:
            tree = self._tree_at(self._index)
            if tree is not None:
                tree.push(leaf)
            self._index += 1

    def _tree_at(self, index: int) -> Frontier | None:
        """Return the tree that a leaf belongs to, None for none; close the ranges before it."""
        while self._open:
            start, end = self._open[-1]
            if end > index:
                if start > index:
                    return None
                return self._trees[self._open[-1]]
            self._open.pop()
        return None

    def roots(self) -> list[bytes]:
        """Return the roots, in the order of the ranges.

        Raises:
            ValueError: some of their leaves have not been pushed.
        """
        for (start, end), tree in self._trees.items():
            if tree.size != end - start:
                raise ValueError(
                    f"of the leaves {start} to {end - 1}, only {tree.size} have been pushed"
                )
        return [self._trees[range_].root() for range_ in self._ranges]


def _split(size: int) -> int:
    """Return the largest power of two below the size."""
    return 1 << (size - 1).bit_length() - 1


LEAVES_AFTER = rf"""
    SELECT array_agg(position ORDER BY position) AS positions,
        string_agg(leaf, '' ORDER BY position) AS leaves,
        {ARCHIVED_TO} AS archived_to
    FROM (
        SELECT notification_id AS position, sha256('\x00' || {ENCODED}) AS leaf FROM {EVENTS_TABLE}
        WHERE notification_id > %(after)s ORDER BY notification_id LIMIT %(limit)s
    ) AS next
"""
"""Returns the positions of the next events, and their leaf hashes one after the other; NULL if
there is none."""


Leaf = tuple[int, bytes]
"""A leaf of the tree: an event's position, and the hash of all its columns."""


def to_leaves(rows: Sequence[RawRow]) -> list[Leaf]:
    """Return the leaves of rows that have positions."""
    return [(position_of(row), leaf_hash(encoded(row))) for row in rows]
