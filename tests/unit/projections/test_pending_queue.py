"""What a process knows of the queue, moved on by what events have touched."""

from typing import Any, cast
from uuid import UUID

import pytest

from domain.ports import Offer
from projections.flow import pending_queue
from projections.flow.candidates import LAST_ID, JobLimits
from projections.flow.fairness import FairnessGroupReader
from projections.flow.limits import LimitState
from projections.flow.pending_queue import END, PendingQueue, TouchedRun
from projections.flow.selection import select_candidates

NOW = "2026-11-24T12:00:00.000Z"

JOB = "job"


def at(minute: int) -> str:
    """Return a time; those before zero are due."""
    return f"2026-11-24T{12 + minute // 60:02}:{minute % 60:02}:00.000Z"


def run(run_id: str, minute: int = -1, **fields: Any) -> TouchedRun:
    """Return a pending run."""
    touched: dict[str, Any] = {
        "id": run_id,
        "status": "pending",
        "job_definition_id": JOB,
        "concurrency_value": None,
        "entry_point": "noop",
        "priority": 0,
        "scheduled_at": at(minute),
        "start_by": None,
        "max_concurrent_runs": None,
        "concurrency_limit": 1,
        "rate_value": None,
        "rate_limit": None,
        "fair_value": None,
        "fairness_key": None,
    }
    return cast("TouchedRun", {**touched, **fields})


def limits(of_job: int | None, of_key: int = 1) -> JobLimits:
    """Return the limits of a job."""
    return {
        "max_concurrent_runs": of_job,
        "concurrency_limit": of_key,
        "rate_limit": None,
        "fairness_key": None,
    }


def numbered(number: int, **fields: Any) -> TouchedRun:
    """Return a pending run whose id is a number."""
    return run(str(UUID(int=number)), **fields)


def due(queue: PendingQueue, now: str = NOW) -> list[str]:
    """Return the ids of the known runs that are due."""
    return [one["id"] for one in queue.due(now)]


def selected(queue: PendingQueue, limit: int = 10) -> list[str]:
    """Return the names of those that limits let start."""
    selection = select_candidates(queue.due(NOW), queue.limits({}), limit)
    return [str(run_id.int) for run_id in selection.run_ids]


def test_of_a_priority_that_nobody_waited_in_everything_is_known() -> None:
    queue = PendingQueue(1)
    later = run("c", 5)
    queue.follow(2, [run("b", -1), run("a", -2), run("urgent", -1, priority=7), later], {})
    assert due(queue) == ["urgent", "a", "b"]
    assert queue.unread_marks == {}
    assert queue.next_after(NOW) == later["scheduled_at"]
    assert due(queue, at(6)) == ["urgent", "a", "b", "c"]


def test_what_comes_in_behind_a_place_is_known_and_what_comes_in_beyond_is_read() -> None:
    queue = PendingQueue(1, waiting=[run("m", -5)])
    queue.follow(2, [run("handed back", -9), run("z", -1)], {})
    assert due(queue) == ["handed back"]
    assert queue.unread_marks == {0: (at(-5), "m")}
    marks = queue.unread_marks
    assert not queue.is_complete(NOW)
    queue.extend(marks, [run("m", -5), run("z", -1)], 3, NOW)
    assert queue.is_complete(NOW)
    assert due(queue) == ["handed back", "m", "z"]
    assert queue.unread_marks == {0: (NOW, LAST_ID)}


def test_what_started_or_ended_is_not_pending_any_more() -> None:
    queue = PendingQueue(1)
    queue.follow(2, [run("a"), run("b"), run("c")], {})
    queue.follow(3, [run("a", status="running"), run("b", status="canceled")], {})
    assert due(queue) == ["c"]


def test_the_front_moves_to_the_last_run_that_was_read() -> None:
    queue = PendingQueue(
        1, waiting=[run("x", -9, priority=5), run("a", -8), run("q", -9, priority=-3)]
    )
    marks = queue.unread_marks
    runs = [run("x", -9, priority=5), run("a", -8), run("b", -7)]
    queue.extend(marks, runs, 3, NOW)
    assert not queue.is_complete(NOW)
    assert queue.low_water_marks == {5: (NOW, LAST_ID), 0: (at(-7), "b"), -3: (at(-9), "q")}


def test_no_known_run_comes_before_one_that_may_be_unknown() -> None:
    queue = PendingQueue(1, waiting=[run("unknown", -5)])
    queue.follow(2, [run("low", -9, priority=-1), run("before", -6)], {})
    assert due(queue) == ["before"]
    queue.extend(queue.unread_marks, [], 1, NOW)
    assert due(queue) == ["before", "low"]
    assert due(queue, at(1)) == ["before"]


def test_an_answer_about_places_that_have_moved_is_not_taken() -> None:
    queue = PendingQueue(1, waiting=[run("a", -8)])
    marks = queue.unread_marks
    queue.extend(marks, [], 3, NOW)
    queue.extend(marks, [run("b", -7)], 1, NOW)
    assert due(queue) == []


def test_limits_count_what_is_under_way_and_keys_that_are_held() -> None:
    running = numbered(1, status="running", concurrency_value="k")
    queue = PendingQueue(1, running=[running])
    limited: dict[str, Any] = {"max_concurrent_runs": 3}
    queue.follow(
        2,
        [
            numbered(2, concurrency_value="k", **limited),
            numbered(3, concurrency_value="other", **limited),
            numbered(4, concurrency_value="other", **limited),
            numbered(5, **limited),
            numbered(6, **limited),
            numbered(7, job_definition_id="another", concurrency_value="k"),
        ],
        {},
    )
    assert selected(queue) == ["3", "5", "7"]
    queue.follow(3, [numbered(1, status="succeeded", concurrency_value="k")], {})
    assert selected(queue) == ["2", "3", "5", "7"]


def test_a_revised_limit_holds_at_once() -> None:
    queue = PendingQueue(1)
    queue.follow(2, [numbered(1, max_concurrent_runs=1), numbered(2, max_concurrent_runs=1)], {})
    assert selected(queue) == ["1"]
    queue.follow(3, [], {JOB: limits(2)})
    assert selected(queue) == ["1", "2"]
    queue.follow(4, [], {JOB: limits(None)})
    assert selected(queue) == ["1", "2"]


def test_as_many_runs_hold_a_key_as_its_limit_says() -> None:
    running = numbered(1, status="running", concurrency_value="k")
    queue = PendingQueue(1, running=[running])
    shared: dict[str, Any] = {"concurrency_value": "k", "concurrency_limit": 3}
    queue.follow(2, [numbered(number, **shared) for number in (2, 3, 4)], {})
    assert selected(queue) == ["2", "3"]
    queue.follow(3, [], {JOB: limits(None, of_key=1)})
    assert selected(queue) == []
    queue.follow(4, [], {JOB: limits(None, of_key=9)})
    assert selected(queue) == ["2", "3", "4"]


def test_a_start_deadline_that_is_over_keeps_a_run_from_starting() -> None:
    queue = PendingQueue(1)
    queue.follow(2, [run("late", start_by=NOW), run("in time", start_by=at(1))], {})
    assert due(queue) == ["in time"]


def test_what_is_passed_over_stays_unknown_whatever_touches_it() -> None:
    queue = PendingQueue(1)
    queue.follow(2, [run("a"), run("b")], {})
    queue.bypass(["a"])
    queue.follow(3, [run("a", -3)], {})
    assert due(queue) == ["b"]
    assert queue.bypassed == {"a"}


def test_only_the_last_that_were_passed_over_are_remembered() -> None:
    queue = PendingQueue(1)
    queue.follow(2, [run("a"), run("b"), run("c")], {})
    queue.bypass(["a"])
    queue.bypass(["b"])
    assert queue.bypassed == {"b"}
    assert due(queue) == ["c"]


def test_where_very_many_are_known_the_last_are_left_to_the_index(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pending_queue, "MAX_WAITING", 3)
    monkeypatch.setattr(pending_queue, "FEWER_WAITING", 2)
    queue = PendingQueue(1)
    low = {"priority": -1}
    queue.follow(2, [run("d", -1), run("a", -4), run("b", -3), run("low", -9, **low)], {})
    assert due(queue) == ["a", "b"]
    assert queue.low_water_marks == {0: (at(-1), "d"), -1: (at(-9), "low")}
    assert END not in queue.low_water_marks.values()


def test_what_is_planned_next_ends_what_is_unknown_until_then() -> None:
    queue = PendingQueue(1, waiting=[run("a", -5), run("low", -5, priority=-1)])
    marks = queue.unread_marks
    planned = run("planned", 30)
    queue.extend(marks, [run("a", -5)], 3, NOW)
    queue.extend_to_planned(marks, [planned], NOW)
    assert queue.low_water_marks == {0: (at(30), "planned"), -1: END}
    assert queue.is_complete(at(29))
    assert not queue.is_complete(at(31))
    assert queue.next_after(NOW) == planned["scheduled_at"]


def test_nothing_is_foreseen_while_due_runs_are_unknown() -> None:
    queue = PendingQueue(1, waiting=[run("a", -5)])
    marks = queue.unread_marks
    queue.extend(marks, [run("a", -5)], 1, NOW)
    queue.extend_to_planned(marks, [run("planned", 30)], NOW)
    assert queue.low_water_marks == {0: (at(-5), "a")}


def test_what_the_worker_does_not_offer_is_only_noted() -> None:
    queue = PendingQueue(1, offer=Offer(frozenset({"noop"})))
    queue.follow(2, [run("a"), run("b", entry_point="other")], {})
    assert due(queue) == ["a"]
    assert queue.unserved_entry_points == {"other"}


def test_what_is_abandoned_is_due_once_its_grace_is_over() -> None:
    offer = Offer(frozenset({"noop"}), frozenset({"gone"}), grace_s=60.0)
    queue = PendingQueue(1, offer=offer)
    hopeless = numbered(1, entry_point="gone")
    queue.follow(2, [hopeless, numbered(2), numbered(3, entry_point="x")], {})
    ids = [UUID(int=number) for number in (1, 2)]
    assert due(queue) == [str(one) for one in ids]
    assert due(queue, at(-1)) == [str(ids[1])]


def test_a_group_stands_where_its_next_run_stands_that_no_limit_refuses() -> None:
    values = {"c": -9, "a": -8, "b": -1}
    runs = [
        run(value, minute, fair_value=value, fairness_key="t", concurrency_value=value)
        for value, minute in values.items()
    ]
    between = run("between", -5, job_definition_id="other")
    candidates = [*runs[:2], between, runs[2]]
    group = (JOB, "noop", 0)
    groups = FairnessGroupReader(3).groups_in_memory([group], runs, {group: "a"})

    def started(limits: LimitState) -> list[str]:
        return [one["id"] for one in select_candidates(candidates, limits, 3).runs]

    assert started(LimitState(groups=groups)) == ["between", "b", "c"]
    held = LimitState(held={(JOB, "b"): 1}, groups=groups)
    assert started(held) == ["c", "a", "between"]
