"""What keeps the promises about noting failures is no finding, and each promise can be broken."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.unit.projections.histories.story import Story, findings_in

WATCH, GROUP, OTHER = UUID(int=50), UUID(int=51), UUID(int=52)


class Tale(Story):
    """A log with two failures, which were noted."""

    def __init__(self) -> None:
        super().__init__()
        for _ in range(9):
            self.append("repository.added", UUID(int=60 + self.position))
        self.search("begun", 5)
        self.note("opened", GROUP, 3, 5)

    def search(self, what: str, until: int) -> None:
        """Append that the log was searched."""
        self.append(f"failure_watch.{what}", WATCH, searched_until=until)

    def note(self, what: str, group: UUID, *positions: int, **other: Any) -> None:
        """Append that failures were noted."""
        data = {"failures": len(positions), "positions": [*positions], **other}
        self.append(f"failure_group.{what}", group, **data)


def test_what_keeps_the_promises_is_no_finding() -> None:
    tale = Tale()
    tale.search("moved", 9)
    tale.note("recurred", GROUP, 6, 9)
    tale.note("opened", OTHER, 7)
    tale.append("failure_group.recurred", OTHER, failures=4)
    tale.note("recurred", GROUP, failures=4)
    tale.append("failure_group.resolved", GROUP, by="ada", in_version=None)
    tale.search("moved", 10)
    assert findings_in(tale) == []


def searched_again(tale: Tale) -> None:
    tale.search("moved", 5)


def searched_what_is_to_come(tale: Tale) -> None:
    tale.search("moved", 1_000)


def noted_of_another_part(tale: Tale) -> None:
    tale.search("moved", 9)
    tale.note("recurred", GROUP, 5)


def noted_beyond(tale: Tale) -> None:
    tale.search("moved", 8)
    tale.note("recurred", GROUP, 9)


def noted_in_two_groups(tale: Tale) -> None:
    tale.search("moved", 9)
    tale.note("recurred", GROUP, 7, 8)
    tale.note("opened", OTHER, 8)


def noted_twice_at_once(tale: Tale) -> None:
    tale.search("moved", 9)
    tale.note("recurred", GROUP, 7, 7)


def counted_otherwise(tale: Tale) -> None:
    tale.search("moved", 9)
    tale.note("recurred", GROUP, 7, failures=2)


BROKEN: list[tuple[Callable[[Tale], None], str]] = [
    (searched_again, "search_goes_on"),
    (searched_what_is_to_come, "search_goes_on"),
    (noted_of_another_part, "noted_once_where_searched"),
    (noted_beyond, "noted_once_where_searched"),
    (noted_in_two_groups, "noted_once_where_searched"),
    (noted_twice_at_once, "noted_once_where_searched"),
    (counted_otherwise, "noted_once_where_searched"),
]


@pytest.mark.parametrize(("spoil", "rule"), BROKEN)
def test_a_broken_promise_is_found_where_it_is_broken(
    spoil: Callable[[Tale], None], rule: str
) -> None:
    tale = Tale()
    spoil(tale)
    [finding] = findings_in(tale)
    assert (finding.position, finding.rule) == (tale.position, rule)
