"""What keeps the promises about bulk operations is no finding, and each promise can be broken."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.unit.projections.histories.story import Story, findings_in

BULK, OTHER = UUID(int=40), UUID(int=41)


class Tale(Story):
    """A log with a bulk operation about three runs that were created up to position 9."""

    def __init__(self) -> None:
        super().__init__()
        self.tell("requested", as_of=9, total=3)

    def tell(self, what: str, bulk: UUID = BULK, **data: Any) -> None:
        """Append an event of an operation."""
        self.append(f"bulk_operation.{what}", bulk, **data)

    def advance(self, before: int, done: int = 1, refused: int = 0) -> None:
        """Append how far it is."""
        self.tell("advanced", before=before, done=done, refused=[{}] * refused)


def test_what_keeps_the_promises_is_no_finding() -> None:
    tale = Tale()
    tale.advance(9, done=1, refused=1)
    tale.tell("requested", OTHER, as_of=2, total=5)
    tale.advance(4)
    tale.tell("completed")
    tale.tell("aborted", OTHER, reason=None)
    assert findings_in(tale) == []


def newer_than_its_position(tale: Tale) -> None:
    tale.advance(10)


def back_again(tale: Tale) -> None:
    tale.advance(5)
    tale.advance(5)


def more_than_chosen(tale: Tale) -> None:
    tale.advance(5, done=2, refused=2)


def too_soon(tale: Tale) -> None:
    tale.advance(5)
    tale.tell("completed")


def after_its_end(tale: Tale) -> None:
    tale.tell("aborted", reason="stop")
    tale.advance(5)


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (newer_than_its_position, "bulk_goes_down"),
        (back_again, "bulk_goes_down"),
        (more_than_chosen, "bulk_keeps_to_the_chosen"),
        (too_soon, "bulk_leaves_none_out"),
        (after_its_end, "bulk_ends_once"),
    ],
)
def test_a_broken_promise_is_found_where_it_is_broken(
    spoil: Callable[[Tale], None], rule: str
) -> None:
    tale = Tale()
    spoil(tale)
    findings = findings_in(tale)
    assert {finding.position for finding in findings} == {tale.position}
    assert rule in {finding.rule for finding in findings}
