"""RFC 9162's Merkle tree over a list that only grows: roots, proofs of inclusion, proofs of consistency. Pure.

A leaf hash is SHA-256(0x00 || data), a node is SHA-256(0x01 || left || right), and a tree of n > 1
leaves splits at the largest power of two below n. `Frontier` grows a root leaf by leaf with O(log
n) hashes in memory. Proofs are made of roots of ranges of leaves; `inclusion_ranges` and
`consistency_ranges` name them, `RangeRoots` computes them while all leaves pass by once.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

HASH_SIZE = 32

EMPTY_ROOT = sha256(b"").digest()

Range = tuple[int, int]
"""Leaves from the first index up to, not including, the second."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """A growing tree, of which only the roots of its perfect subtrees (its peaks, the largest first) are kept."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        """Go on from a size and its peaks.

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
        """Add leaves, given their hashes. Written out, for sealing spends a fifth of its time here."""
        peaks, size = self._peaks, self.size
        for leaf in leaves:
            node, carry = leaf, size
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
    """Return which leaves each peak of a tree covers, from left to right."""
    ranges, start = [], 0
    for bit in range(size.bit_length() - 1, -1, -1):
        if size >> bit & 1:
            ranges.append((start, start + (1 << bit)))
            start += 1 << bit
    return ranges


def first_difference(ours: Frontier, theirs: Frontier) -> Range:
    """Return which leaves two trees do not provably share, as narrowly as their peaks can tell.

    All leaves before the range are the same in both. If two peaks over the same leaves differ, the
    first difference is inside the range; if there is none such, the range reaches to the end of the
    shorter tree.
    """
    same = 0
    pairs = zip(
        peak_ranges(ours.size), ours.peaks, peak_ranges(theirs.size), theirs.peaks, strict=False
    )
    for our_range, our_peak, their_range, their_peak in pairs:
        if our_range != their_range:
            break
        if our_peak != their_peak:
            return our_range
        same = our_range[1]
    return (same, min(ours.size, theirs.size))


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Return the ranges whose roots prove that leaf `index` is in the tree of `size` leaves, from the leaf upwards.

    Raises:
        ValueError: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    start, end = 0, size
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
    """Return the ranges whose roots prove that the tree of `new` leaves begins with that of `old` leaves.

    Raises:
        ValueError: not 0 < old <= new.
    """
    if not 0 < old <= new:
        raise ValueError(f"a tree of {new} leaves does not extend one of {old}")
    start, end = 0, new
    siblings: list[Range] = []
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((start, middle))
            start = middle
    # Where the old tree is itself a subtree of the new one, the verifier has its root already.
    own = [(start, end)] if start else []
    return own + siblings[::-1]


def verify_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> bool:
    """Return whether the path leads from the leaf's hash to the root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    place, last, node = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            node = node_hash(sibling, node)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and node == root


def verify_consistency(
    old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]
) -> bool:
    """Return whether the path shows that the new tree begins with the old one (RFC 9162, 2.1.4.2)."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    nodes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not nodes:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old_node = new_node = nodes[0]
    for sibling in nodes[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old_node, new_node = node_hash(sibling, old_node), node_hash(sibling, new_node)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new_node = node_hash(new_node, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and old_node == old_root and new_node == new_root


class RangeRoots:
    """Computes the roots of ranges that do not overlap, while the leaves pass by from the first on."""

    def __init__(self, ranges: Sequence[Range]) -> None:
        self._asked = ranges
        self._trees = {one: Frontier() for one in sorted(ranges)}
        self._open = sorted(ranges, reverse=True)
        self._index = 0

    def push_all(self, leaves: Iterable[bytes]) -> None:
        """Add the next leaves, given their hashes."""
        for leaf in leaves:
            while self._open and self._index >= self._open[-1][1]:
                self._open.pop()
            if self._open and self._index >= self._open[-1][0]:
                self._trees[self._open[-1]].push(leaf)
            self._index += 1

    def roots(self) -> list[bytes]:
        """Return the roots, in the order in which the ranges were named.

        Raises:
            ValueError: not all of their leaves have passed by.
        """
        for (start, end), tree in self._trees.items():
            if tree.size != end - start:
                raise ValueError(
                    f"of the leaves {start} to {end - 1}, only {tree.size} have been seen"
                )
        return [self._trees[one].root() for one in self._asked]


def _split(size: int) -> int:
    """Return the largest power of two below the size."""
    return 1 << (size - 1).bit_length() - 1
