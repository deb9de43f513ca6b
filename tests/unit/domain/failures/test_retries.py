"""Which runs a success makes up for."""

from uuid import UUID

import pytest

from domain.failures.grouping import RetryNode, recovered_by

FamilyMember = tuple[str, str, int | None]


def id_of(name: str) -> UUID:
    return UUID(int=ord(name))


@pytest.mark.parametrize(
    ("family", "success", "names"),
    [
        # (run, retry of, succeeded at)
        ([("a", "", 9)], "a", "a"),
        ([("a", "", None), ("b", "a", 9)], "b", "ba"),
        ([("a", "", None), ("b", "a", None), ("c", "b", 9)], "c", "cba"),
        # Another retry of it has succeeded before.
        ([("a", "", None), ("b", "a", 5), ("c", "a", 9)], "c", "c"),
        ([("a", "", None), ("b", "a", 5), ("c", "a", 9)], "b", "ba"),
        ([("a", "", None), ("b", "a", None), ("c", "b", 5), ("d", "b", 9)], "d", "d"),
        ([("a", "", None), ("b", "a", None), ("c", "a", 5), ("d", "b", 9)], "d", "db"),
        # A retry of what succeeded.
        ([("a", "", 5), ("b", "a", 9)], "b", "b"),
        # The first is gone; and a client told of a circle.
        ([("b", "a", None), ("c", "b", 9)], "c", "cb"),
        ([("d", "c", 5), ("c", "b", None), ("b", "a", None), ("e", "b", 9)], "e", "e"),
        ([("a", "b", None), ("b", "a", 9)], "b", "ba"),
        ([], "a", ""),
    ],
)
def test_a_success_makes_up_for_what_it_repeats_once(
    family: list[FamilyMember], success: str, names: str
) -> None:
    tree = [
        RetryNode(id_of(name), id_of(origin) if origin else None, at) for name, origin, at in family
    ]
    expected = [id_of(name) for name in names]
    assert recovered_by(id_of(success), tree) == expected
    assert recovered_by(id_of(success), tree[::-1]) == expected
