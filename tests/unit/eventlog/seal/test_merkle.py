"""The Merkle tree against its definition in RFC 9162, written down naively."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventlog.seal.tree import (
    EMPTY_ROOT,
    Frontier,
    RangeRoots,
    consistency_ranges,
    first_difference,
    inclusion_ranges,
    leaf_hash,
    node_hash,
    peak_ranges,
    verify_consistency,
    verify_inclusion,
)

LEAVES = [leaf_hash(str(number).encode()) for number in range(70)]
"""Odd sizes, powers of two and their neighbours are all below."""

SIZES = st.integers(1, len(LEAVES))


def _root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162, 2.1.1, on hashed leaves."""
    if len(leaves) < 2:
        return leaves[0] if leaves else EMPTY_ROOT
    k = _split(len(leaves))
    return node_hash(_root(leaves[:k]), _root(leaves[k:]))


def _path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 9162, 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = _split(len(leaves))
    if m < k:
        return [*_path(m, leaves[:k]), _root(leaves[k:])]
    return [*_path(m - k, leaves[k:]), _root(leaves[:k])]


def _subproof(m: int, leaves: list[bytes], *, b: bool) -> list[bytes]:
    """SUBPROOF of RFC 9162, 2.1.4.1."""
    if m == len(leaves):
        return [] if b else [_root(leaves)]
    k = _split(len(leaves))
    if m <= k:
        return [*_subproof(m, leaves[:k], b=b), _root(leaves[k:])]
    return [*_subproof(m - k, leaves[k:], b=False), _root(leaves[:k])]


def _split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def _grown(leaves: list[bytes]) -> Frontier:
    tree = Frontier()
    for leaf in leaves:
        tree.push(leaf)
    return tree


def _roots(ranges: list[tuple[int, int]], leaves: list[bytes]) -> list[bytes]:
    roots = RangeRoots(ranges)
    roots.push_all(leaves)
    return roots.roots()


def test_leaves_and_nodes_are_hashed_apart() -> None:
    assert leaf_hash(b"ab") == sha256(b"\x00ab").digest()
    assert node_hash(b"a", b"b") == sha256(b"\x01ab").digest()


def test_known_roots_of_certificate_transparency() -> None:
    """The inputs and roots that the reference implementations of RFC 6962 share."""
    data = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ]
    roots = {
        1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    }
    leaves = [leaf_hash(bytes.fromhex(text)) for text in data]
    assert {size: _grown(leaves[:size]).root().hex() for size in roots} == roots


def test_growing_leaf_by_leaf_gives_the_root_of_every_size() -> None:
    for size in range(len(LEAVES) + 1):
        tree = _grown(LEAVES[:size])
        assert tree.root() == _root(LEAVES[:size])
        assert Frontier(size, tree.peaks).root() == tree.root()
        assert _roots(peak_ranges(size), LEAVES) == tree.peaks


def test_a_frontier_of_the_wrong_number_of_peaks_is_refused() -> None:
    with pytest.raises(ValueError, match="peaks"):
        Frontier(3, LEAVES[:1])


@given(SIZES, st.data())
def test_inclusion_proofs_are_those_of_the_definition_and_prove_that_leaf_alone(
    size: int, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, size - 1))
    leaves = LEAVES[:size]
    path = _roots(inclusion_ranges(index, size), leaves)
    assert path == _path(index, leaves)
    root = _root(leaves)
    assert verify_inclusion(leaves[index], index, size, path, root)
    other = data.draw(st.integers(0, len(LEAVES) - 1))
    assert verify_inclusion(LEAVES[other], index, size, path, root) == (other == index)
    assert verify_inclusion(leaves[index], other, size, path, root) == (other == index)
    assert not verify_inclusion(leaves[index], index, size, [*path, root], root)
    if path:
        broken = data.draw(st.integers(0, len(path) - 1))
        assert not verify_inclusion(
            leaves[index], index, size, [*path[:broken], root, *path[broken + 1 :]], root
        )
        assert not verify_inclusion(leaves[index], index, size, path[:-1], root)


@given(SIZES, st.data())
def test_consistency_proofs_are_those_of_the_definition_and_prove_those_trees_alone(
    new: int, data: st.DataObject
) -> None:
    old = data.draw(st.integers(1, new))
    leaves = LEAVES[:new]
    old_root, new_root = _root(leaves[:old]), _root(leaves)
    path = _roots(consistency_ranges(old, new), leaves)
    assert path == _subproof(old, leaves, b=True)
    assert verify_consistency(old, old_root, new, new_root, path)
    assert not verify_consistency(old, leaf_hash(b"other"), new, new_root, path)
    assert not verify_consistency(old, old_root, new, leaf_hash(b"other"), path)
    assert not verify_consistency(old, old_root, new, new_root, [*path, new_root])
    if path:
        broken = data.draw(st.integers(0, len(path) - 1))
        assert not verify_consistency(
            old, old_root, new, new_root, [*path[:broken], b"x" * 32, *path[broken + 1 :]]
        )
        assert not verify_consistency(old, old_root, new, new_root, path[:-1])


@given(SIZES, st.data())
def test_no_proof_shows_that_a_tree_begins_with_one_of_which_a_leaf_was_changed(
    new: int, data: st.DataObject
) -> None:
    old = data.draw(st.integers(1, new))
    changed = data.draw(st.integers(0, old - 1))
    leaves = [*LEAVES[:changed], leaf_hash(b"changed"), *LEAVES[changed + 1 : new]]
    path = _roots(consistency_ranges(old, new), leaves)
    assert not verify_consistency(old, _root(LEAVES[:old]), new, _root(leaves), path)


@given(SIZES, SIZES, st.data())
def test_the_first_difference_lies_in_the_range_that_is_named(
    ours: int, theirs: int, data: st.DataObject
) -> None:
    changed = data.draw(st.integers(0, len(LEAVES)))
    other = [*LEAVES[:changed], *(leaf_hash(leaf) for leaf in LEAVES[changed:])][:theirs]
    start, end = first_difference(_grown(LEAVES[:ours]), _grown(other))
    shared = min(ours, theirs, changed)
    assert start <= shared <= end
    if ours == theirs and changed < ours:
        assert start <= changed < end
    if ours == theirs <= changed:
        assert start == end == ours


def test_indexes_and_sizes_that_no_tree_has_are_refused() -> None:
    for index, size in ((-1, 1), (1, 1), (0, 0)):
        with pytest.raises(ValueError, match="no leaf"):
            inclusion_ranges(index, size)
        assert not verify_inclusion(LEAVES[0], index, size, [], LEAVES[0])
    for old, new in ((0, 1), (2, 1)):
        with pytest.raises(ValueError, match="does not extend"):
            consistency_ranges(old, new)
        assert not verify_consistency(old, LEAVES[0], new, LEAVES[0], [])
    assert not verify_consistency(3, LEAVES[0], 4, LEAVES[0], [])


def test_roots_of_incomplete_ranges_are_refused() -> None:
    roots = RangeRoots([(0, 4)])
    roots.push_all(LEAVES[:3])
    with pytest.raises(ValueError, match="only 3 have been pushed"):
        roots.roots()
