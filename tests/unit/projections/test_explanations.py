"""Why a run waits where its queue is too long to be looked at whole."""

from typing import Any, cast

from projections.explain import explained
from projections.explain_facts import Facts, Member, RunsBefore
from projections.flow.candidates import NO_LIMITS, Candidate, JobLimits
from projections.flow.limits import RateWindow
from projections.job_runs import RunRow
from tests.unit.projections.test_pending_queue import NOW, at, numbered

LAST = 99


def _row() -> RunRow:
    """Return the row of the run behind all others."""
    row: dict[str, Any] = {
        **numbered(LAST),
        "status": "pending",
        "attempt": 1,
        "max_attempts": 1,
        "execution": 0,
        "start_deadline_at": None,
        "cancel_requested_at": None,
        "created_at": at(-5),
    }
    return cast("RunRow", row)


def _worker(free: int) -> Member:
    return {
        "id": "w",
        "state": "alive",
        "slots": 5,
        "shared_slots": 0,
        "busy": 5 - free,
        "shared_busy": 0,
        "labels": {},
        "entry_points": None,
    }


def _facts(before: RunsBefore, free: int) -> Facts:
    unknown = ["all that comes first"] if before.is_cut else []
    return Facts(now=NOW, before=before, fleet=[_worker(free)], unknown=unknown)


def _codes(facts: Facts) -> list[str]:
    explanation: Any = explained(_row(), facts)
    return [reason["code"] for reason in explanation["reasons"]]


def _free(count: int) -> list[Candidate]:
    return [numbered(number) for number in range(count)]


def test_more_than_is_looked_at_is_said_to_come_first_where_that_is_enough() -> None:
    before = RunsBefore(_free(3), is_cut=True, count=None, of_job=None)
    explanation: Any = explained(_row(), _facts(before, free=3))
    [reason] = explanation["reasons"]
    assert reason["code"] == "behind_others"
    assert reason["details"]["place"] is None
    assert "more than 3 due runs" in reason["message"]


def test_what_is_not_looked_at_is_not_guessed() -> None:
    before = RunsBefore(_free(3), is_cut=True, count=50_000, of_job=0)
    facts = _facts(before, free=4)
    assert _codes(facts) == []
    explanation: Any = explained(_row(), facts)
    assert (explanation["unknown"], "known" in explanation["summary"]) == (facts.unknown, True)


def test_of_a_queue_that_is_known_whole_the_last_one_starts_where_there_is_room() -> None:
    before = RunsBefore(_free(3), count=3, of_job=3)
    assert _codes(_facts(before, free=4)) == []
    assert _codes(_facts(before, free=3)) == ["behind_others"]


def test_a_full_rate_window_is_told_with_its_period_to_the_millisecond() -> None:
    rated: dict[str, Any] = {**_row(), "rate_value": ""}
    limits: JobLimits = {**NO_LIMITS, "rate_limit": {"limit": 1, "periodMs": 1_001}}
    windows = {(rated["job_definition_id"], ""): RateWindow(0, at(1))}
    facts = Facts(now=NOW, limits_of_job=limits, windows=windows, fleet=[_worker(5)])
    found: Any = explained(cast("RunRow", rated), facts)
    [reason] = found["reasons"]
    assert (reason["code"], reason["details"]["periodMs"]) == ("rate_limited", 1_001)


def test_where_no_slot_is_free_who_comes_first_is_told_as_well() -> None:
    assert _codes(_facts(RunsBefore(_free(1), count=1), free=0)) == ["slots_full", "behind_others"]
    assert _codes(_facts(RunsBefore(), free=0)) == ["slots_full"]


def test_how_many_slots_are_taken_is_said() -> None:
    explanation: Any = explained(_row(), _facts(RunsBefore(), free=0))
    [reason] = explanation["reasons"]
    [worker] = reason["details"]["workers"]
    number = worker["slots"]
    sentence = f"{number} of {number} slots are taken, on 1 worker that executes "
    assert reason["message"].startswith(sentence)
