"""What a process knows of the queue, moved on by what events have touched."""

from typing import Any, cast
from uuid import UUID

import pytest

from domain.ports import Offer
from projections.flow import pending_queue as frontiers
from projections.flow.candidates import LAST_ID, JobLimits
from projections.flow.pending_queue import END, Frontier, TouchedRun

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


def due(frontier: Frontier, now: str = NOW) -> list[str]:
    """Return the ids of the known runs that are due."""
    return [one["id"] for one in frontier.due(now)]


def picked(frontier: Frontier, limit: int = 10) -> list[str]:
    """Return the names of those that limits let start."""
    found = frontier.limits({}).pick(frontier.due(NOW), limit)
    return [str(one.int) for one in found]


def test_of_a_priority_that_nobody_waited_in_everything_is_known() -> None:
    frontier = Frontier(1)
    later = run("c", 5)
    frontier.follow(2, [run("b", -1), run("a", -2), run("urgent", -1, priority=7), later], {})
    assert due(frontier) == ["urgent", "a", "b"]
    assert frontier.unfinished_places == {}
    assert frontier.next_after(NOW) == later["scheduled_at"]
    assert due(frontier, at(6)) == ["urgent", "a", "b", "c"]


def test_what_comes_in_behind_a_place_is_known_and_what_comes_in_beyond_is_read() -> None:
    frontier = Frontier(1, waiting=[run("m", -5)])
    frontier.follow(2, [run("handed back", -9), run("z", -1)], {})
    assert due(frontier) == ["handed back"]
    assert frontier.unfinished_places == {0: (at(-5), "m")}
    asked = frontier.unfinished_places
    assert not frontier.is_complete(NOW)
    frontier.extend(asked, [run("m", -5), run("z", -1)], 3, NOW)
    assert frontier.is_complete(NOW)
    assert due(frontier) == ["handed back", "m", "z"]
    assert frontier.unfinished_places == {0: (NOW, LAST_ID)}


def test_what_started_or_ended_is_not_pending_any_more() -> None:
    frontier = Frontier(1)
    frontier.follow(2, [run("a"), run("b"), run("c")], {})
    frontier.follow(3, [run("a", status="running"), run("b", status="canceled")], {})
    assert due(frontier) == ["c"]


def test_the_front_moves_to_the_last_run_that_was_read() -> None:
    frontier = Frontier(
        1, waiting=[run("x", -9, priority=5), run("a", -8), run("q", -9, priority=-3)]
    )
    asked = frontier.unfinished_places
    found = [run("x", -9, priority=5), run("a", -8), run("b", -7)]
    frontier.extend(asked, found, 3, NOW)
    assert not frontier.is_complete(NOW)
    assert frontier.places == {5: (NOW, LAST_ID), 0: (at(-7), "b"), -3: (at(-9), "q")}


def test_no_known_run_comes_before_one_that_may_be_unknown() -> None:
    frontier = Frontier(1, waiting=[run("unknown", -5)])
    frontier.follow(2, [run("low", -9, priority=-1), run("before", -6)], {})
    assert due(frontier) == ["before"]
    frontier.extend(frontier.unfinished_places, [], 1, NOW)
    assert due(frontier) == ["before", "low"]
    assert due(frontier, at(1)) == ["before"]


def test_an_answer_about_places_that_have_moved_is_not_taken() -> None:
    frontier = Frontier(1, waiting=[run("a", -8)])
    asked = frontier.unfinished_places
    frontier.extend(asked, [], 3, NOW)
    frontier.extend(asked, [run("b", -7)], 1, NOW)
    assert due(frontier) == []


def test_limits_count_what_is_under_way_and_keys_that_are_held() -> None:
    running = numbered(1, status="running", concurrency_value="k")
    frontier = Frontier(1, running=[running])
    limited: dict[str, Any] = {"max_concurrent_runs": 3}
    frontier.follow(
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
    assert picked(frontier) == ["3", "5", "7"]
    frontier.follow(3, [numbered(1, status="succeeded", concurrency_value="k")], {})
    assert picked(frontier) == ["2", "3", "5", "7"]


def test_a_revised_limit_holds_at_once() -> None:
    frontier = Frontier(1)
    frontier.follow(2, [numbered(1, max_concurrent_runs=1), numbered(2, max_concurrent_runs=1)], {})
    assert picked(frontier) == ["1"]
    frontier.follow(3, [], {JOB: limits(2)})
    assert picked(frontier) == ["1", "2"]
    frontier.follow(4, [], {JOB: limits(None)})
    assert picked(frontier) == ["1", "2"]


def test_as_many_runs_hold_a_key_as_its_limit_says() -> None:
    running = numbered(1, status="running", concurrency_value="k")
    frontier = Frontier(1, running=[running])
    shared: dict[str, Any] = {"concurrency_value": "k", "concurrency_limit": 3}
    frontier.follow(2, [numbered(number, **shared) for number in (2, 3, 4)], {})
    assert picked(frontier) == ["2", "3"]
    frontier.follow(3, [], {JOB: limits(None, of_key=1)})
    assert picked(frontier) == []
    frontier.follow(4, [], {JOB: limits(None, of_key=9)})
    assert picked(frontier) == ["2", "3", "4"]


def test_a_start_deadline_that_is_over_keeps_a_run_from_starting() -> None:
    frontier = Frontier(1)
    frontier.follow(2, [run("late", start_by=NOW), run("in time", start_by=at(1))], {})
    assert due(frontier) == ["in time"]


def test_what_is_passed_over_stays_unknown_whatever_touches_it() -> None:
    frontier = Frontier(1)
    frontier.follow(2, [run("a"), run("b")], {})
    frontier.pass_over(["a"])
    frontier.follow(3, [run("a", -3)], {})
    assert due(frontier) == ["b"]
    assert frontier.passed_over == {"a"}


def test_only_the_last_that_were_passed_over_are_remembered() -> None:
    frontier = Frontier(1)
    frontier.follow(2, [run("a"), run("b"), run("c")], {})
    frontier.pass_over(["a"])
    frontier.pass_over(["b"])
    assert frontier.passed_over == {"b"}
    assert due(frontier) == ["c"]


def test_where_very_many_are_known_the_last_are_left_to_the_index(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frontiers, "MOST_WAITING", 3)
    monkeypatch.setattr(frontiers, "FEWER_WAITING", 2)
    frontier = Frontier(1)
    low = {"priority": -1}
    frontier.follow(2, [run("d", -1), run("a", -4), run("b", -3), run("low", -9, **low)], {})
    assert due(frontier) == ["a", "b"]
    assert frontier.places == {0: (at(-1), "d"), -1: (at(-9), "low")}
    assert END not in frontier.places.values()


def test_what_is_planned_next_ends_what_is_unknown_until_then() -> None:
    frontier = Frontier(1, waiting=[run("a", -5), run("low", -5, priority=-1)])
    asked = frontier.unfinished_places
    planned = run("planned", 30)
    frontier.extend(asked, [run("a", -5)], 3, NOW)
    frontier.foresee(asked, [planned], NOW)
    assert frontier.places == {0: (at(30), "planned"), -1: END}
    assert frontier.is_complete(at(29))
    assert not frontier.is_complete(at(31))
    assert frontier.next_after(NOW) == planned["scheduled_at"]


def test_nothing_is_foreseen_while_due_runs_are_unknown() -> None:
    frontier = Frontier(1, waiting=[run("a", -5)])
    asked = frontier.unfinished_places
    frontier.extend(asked, [run("a", -5)], 1, NOW)
    frontier.foresee(asked, [run("planned", 30)], NOW)
    assert frontier.places == {0: (at(-5), "a")}


def test_what_the_worker_does_not_offer_is_only_noted() -> None:
    frontier = Frontier(1, offer=Offer(frozenset({"noop"})))
    frontier.follow(2, [run("a"), run("b", entry_point="other")], {})
    assert due(frontier) == ["a"]
    assert frontier.foreign == {"other"}


def test_what_is_given_up_is_due_once_its_grace_is_over() -> None:
    offer = Offer(frozenset({"noop"}), frozenset({"gone"}), grace_s=60.0)
    frontier = Frontier(1, offer=offer)
    hopeless = numbered(1, entry_point="gone")
    frontier.follow(2, [hopeless, numbered(2), numbered(3, entry_point="x")], {})
    ids = [UUID(int=number) for number in (1, 2)]
    assert due(frontier) == [str(one) for one in ids]
    assert due(frontier, at(-1)) == [str(ids[1])]
    assert frontier.given_up(ids) == {ids[0]: "gone"}
