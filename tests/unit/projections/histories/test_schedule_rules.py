"""What keeps the promises about schedules is no finding, and each promise can be broken."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.unit.projections.histories.story import Story, at, findings_in

SCHEDULE = UUID(int=30)
ONE, OTHER = str(UUID(int=31)), str(UUID(int=32))


class Tale(Story):
    """A log with a schedule that ticks each second."""

    def __init__(self, overlap: str = "buffer_one") -> None:
        super().__init__()
        self.tell("registered", spec={"overlap": overlap, "catch_up_ms": 1_000})

    def tell(self, what: str, **data: Any) -> None:
        """Append an event of the schedule."""
        self.append(f"schedule.{what}", SCHEDULE, **data)

    def tick(self, what: str, second: float, **data: Any) -> None:
        """Append what became of a tick."""
        self.tell(f"tick_{what}", due_at=at(second), **data)


def a_life() -> Tale:
    tale = Tale()
    tale.tick("launched", 2.5, run_id=ONE)
    tale.tick("buffered", 3)
    tale.tick("skipped", 4, last_due_at=at(5))
    tale.tell("run_ended", run_id=ONE)
    tale.tick("launched", 3, run_id=OTHER)
    tale.tell("paused")
    tale.tick("skipped", 6, last_due_at=at(6))
    tale.tick("launched", 4, run_id=str(UUID(int=34)), cause="backfill")
    tale.tell("run_ended", run_id=str(UUID(int=34)))
    tale.tell("resumed")
    tale.tick("skipped", 7, last_due_at=at(8), reason="missed", watched_since=at(9.001))
    tale.tell("run_ended", run_id=OTHER)
    tale.tell("triggered", run_id=OTHER)
    tale.tick("launched", 9, run_id=str(UUID(int=35)))
    # Whatever is due when a revision begins may be yet to fire.
    tale.tell("revised", changes={"overlap": "allow_all"}, carried_due_at=at(9.5))
    tale.tick("launched", 9.5, run_id=str(UUID(int=36)))
    tale.tick("launched", 20, run_id=ONE)
    tale.tell("triggered", run_id=str(UUID(int=33)))
    tale.tell("replanned")
    # The clock was set back.
    tale.tell("replanned", next_at=at(10))
    tale.tick("launched", 10, run_id=str(UUID(int=37)), next_at=at(11))
    tale.tick("skipped", 11, last_due_at=at(19), next_at=at(21))
    tale.tell("deleted")
    tale.tell("run_ended", run_id=OTHER)
    tale.tell("registered_anew", spec={"overlap": "skip"})
    tale.tell("run_ended", run_id=ONE)
    return tale


def test_what_keeps_the_promises_is_no_finding() -> None:
    assert findings_in(a_life()) == []


def twice(tale: Tale) -> None:
    tale.tick("launched", 3, run_id=ONE)
    tale.tick("skipped", 3, last_due_at=at(3))


def earlier(tale: Tale) -> None:
    tale.tick("skipped", 4, last_due_at=at(9))
    tale.tick("buffered", 5)


def waits_twice(tale: Tale) -> None:
    tale.tick("buffered", 3)
    tale.tick("buffered", 3)


def paused(tale: Tale) -> None:
    tale.tell("paused")
    tale.tick("launched", 5, run_id=ONE)


def missed_in_time(tale: Tale) -> None:
    tale.tick("skipped", 3, last_due_at=at(4), reason="missed", watched_since=at(5))


def overlapping(tale: Tale) -> None:
    tale.tick("launched", 3, run_id=ONE)
    tale.tick("launched", 4, run_id=OTHER)


def backfilled_ahead(tale: Tale) -> None:
    tale.tick("launched", 3, run_id=ONE)
    tale.tick("launched", 4, run_id=OTHER, cause="backfill")


def of_another(tale: Tale) -> None:
    tale.tell("run_ended", run_id=ONE)


def after_its_end(tale: Tale) -> None:
    tale.tell("deleted")
    tale.tick("skipped", 5, last_due_at=at(5))


def anew_without_end(tale: Tale) -> None:
    tale.tell("registered_anew", spec={"overlap": "skip"})


def back_in_time(tale: Tale) -> None:
    tale.tell("paused")
    tale.events[-1].data["timestamp"] = at(0)


def again_by_a_clock_that_went_on(tale: Tale) -> None:
    tale.tick("launched", 3, run_id=ONE, next_at=at(4))
    tale.tell("replanned", next_at=at(3.5))
    tale.tick("skipped", 2.5, last_due_at=at(2.5))


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (twice, "tick_decided_once"),
        (again_by_a_clock_that_went_on, "tick_decided_once"),
        (earlier, "tick_decided_once"),
        (waits_twice, "tick_decided_once"),
        (paused, "not_while_paused"),
        (missed_in_time, "missed_while_unwatched"),
        (overlapping, "policy_is_kept"),
        (backfilled_ahead, "tick_decided_once"),
        (of_another, "run_was_open"),
        (after_its_end, "not_after_deletion"),
        (anew_without_end, "not_after_deletion"),
        (back_in_time, "schedule_time_goes_on"),
    ],
)
def test_a_broken_promise_is_found_where_it_is_broken(
    spoil: Callable[[Tale], None], rule: str
) -> None:
    tale = Tale()
    spoil(tale)
    [finding] = findings_in(tale)
    assert (finding.position, finding.rule) == (tale.position, rule)
