"""What breaks a promise about runs is found, with its position, and nothing else is."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from projections.histories.run_rules import RULES
from tests.unit.projections.histories.story import (
    JOB,
    OTHER_RUN,
    RUN,
    THIRD_RUN,
    Story,
    at,
    broken,
    findings_in,
)

UUID_A, UUID_B = UUID(int=10), UUID(int=11)


def _running(**fields: Any) -> Story:
    story = Story()
    story.request(**fields)
    story.start()
    return story


def _pending(**fields: Any) -> Story:
    story = Story()
    story.request(**fields)
    return story


def _ended() -> Story:
    story = _running()
    story.by_holder("succeeded")
    return story


def _cancel_requested() -> Story:
    story = _running()
    story.append("job_run.cancel_requested")
    return story


def _paused() -> Story:
    story = _pending()
    story.append("job_definition.paused", JOB, by="ada", reason=None)
    return story


def _deleted() -> Story:
    story = Story()
    story.append("job_definition.deleted", JOB)
    return story


Spoil = Callable[[Story], object]

BAD: list[tuple[str, Callable[[], Story], Spoil]] = [
    ("known_definition", Story, lambda story: story.request(definition_version=2)),
    (
        "known_definition",
        Story,
        lambda story: story.request(definition_id="00000000-0000-0000-0000-000000000009"),
    ),
    ("some_attempts", Story, lambda story: story.request(max_attempts=0)),
    ("not_scheduled_in_the_past", Story, lambda story: story.request(scheduled_at=at(0))),
    ("legal_transition", _pending, lambda story: story.request()),
    ("legal_transition", Story, lambda story: story.start()),
    ("one_execution_at_a_time", _running, lambda story: story.start(execution=2)),
    ("one_execution_at_a_time", _cancel_requested, lambda story: story.start(execution=2)),
    ("legal_transition", _ended, lambda story: story.start(execution=2)),
    ("legal_transition", _ended, lambda story: story.by_holder("succeeded")),
    ("legal_transition", _ended, lambda story: story.cancel()),
    ("legal_transition", _pending, lambda story: story.by_holder("progressed")),
    ("legal_transition", _pending, lambda story: story.by_holder("succeeded")),
    ("legal_transition", _pending, lambda story: story.by_holder("handed_back")),
    ("legal_transition", _pending, lambda story: story.end("attempt_lost")),
    ("legal_transition", _pending, lambda story: story.append("job_run.cancel_requested")),
    ("legal_transition", _cancel_requested, lambda story: story.append("job_run.cancel_requested")),
    ("legal_transition", _cancel_requested, lambda story: story.end("attempt_failed", 1)),
    ("legal_transition", _cancel_requested, lambda story: story.end("attempt_lost", 1)),
    ("legal_transition", _cancel_requested, lambda story: story.by_holder("handed_back")),
    (
        "legal_transition",
        lambda: _running(start_deadline_at=at(3.5)),
        lambda story: story.append("job_run.start_deadline_passed"),
    ),
    ("job_not_deleted", _deleted, lambda story: story.request()),
    ("job_not_paused", _paused, lambda story: story.start()),
    ("known_topic", _running, lambda story: story.append("job_run.paused")),
    ("readable", _running, lambda story: story.append("job_run.progressed")),
    ("time_goes_on", _running, lambda story: story.by_holder("progressed", timestamp=at(1))),
    ("next_execution", _pending, lambda story: story.start(execution=2)),
    ("next_execution", _pending, lambda story: story.start(execution=0)),
    ("current_attempt", _pending, lambda story: story.start(attempt=2)),
    ("current_attempt", _running, lambda story: story.end("attempt_failed", 1, attempt=2)),
    ("not_before_due", lambda: _pending(scheduled_at=at(9)), lambda story: story.start()),
    (
        "not_after_start_deadline",
        lambda: _pending(start_deadline_at=at(3)),
        lambda story: story.start(),
    ),
    ("fence", _running, lambda story: story.by_holder("succeeded", worker="v")),
    ("fence", _running, lambda story: story.by_holder("progressed", execution=2)),
    ("fence", _running, lambda story: story.by_holder("handed_back", worker="v")),
    ("fence", _running, lambda story: story.end("attempt_failed", 1, worker="v")),
    ("fence", _running, lambda story: story.end("attempt_timed_out", 1, execution=2)),
    ("fence", _running, lambda story: story.end("attempt_lost", 1, worker="v")),
    (
        "retry_only_with_attempts_left",
        lambda: _running(max_attempts=1),
        lambda story: story.end("attempt_failed", 1),
    ),
    ("retry_while_attempts_are_left", _running, lambda story: story.end("attempt_lost")),
    ("retry_while_attempts_are_left", _running, lambda story: story.end("attempt_timed_out")),
    ("bounded_back_off", _running, lambda story: story.end("attempt_failed", -2)),
    ("bounded_back_off", _running, lambda story: story.end("attempt_lost", 86_401)),
    ("canceled_wins", _cancel_requested, lambda story: story.end("attempt_timed_out", 1)),
    ("over_deadline", _pending, lambda story: story.append("job_run.start_deadline_passed")),
    (
        "over_deadline",
        lambda: _pending(start_deadline_at=at(9)),
        lambda story: story.append("job_run.start_deadline_passed"),
    ),
    ("really_stopped", _cancel_requested, lambda story: story.cancel()),
    ("really_stopped", _pending, lambda story: story.cancel(worker_id="w", execution=1)),
    ("cancel_was_requested", _running, lambda story: story.cancel(worker_id="w", execution=1)),
]


@pytest.mark.parametrize(("rule", "begun", "spoil"), BAD, ids=[one[0] for one in BAD])
def test_a_broken_promise_is_found_where_it_is(
    rule: str, begun: Callable[[], Story], spoil: Spoil
) -> None:
    story = begun()
    assert broken(story) == []
    spoil(story)
    assert broken(story) == [(story.position, rule)]


def test_each_rule_has_a_broken_form() -> None:
    tested_below = {
        "attempts_within_limit",
        "room_in_job",
        "key_is_free",
        "grouped_at_launch",
        "unique_kept",
        "within_rate",
        "takes_turns",
    }
    rules = {rule.__name__ for rules in RULES.values() for rule in rules}
    assert rules - {rule for rule, *_ in BAD} == tested_below


def test_an_attempt_beyond_the_limit_is_found_also_where_its_retry_was_wrong() -> None:
    story = _running(max_attempts=1)
    story.end("attempt_failed", 0)
    story.start(execution=2, attempt=2)
    assert broken(story) == [(4, "retry_only_with_attempts_left"), (5, "attempts_within_limit")]


def test_no_retry_starts_before_its_back_off_is_over() -> None:
    story = _running()
    story.end("attempt_failed", 30)
    story.start(execution=2, attempt=2, timestamp=at(33.999))
    [finding] = findings_in(story)
    assert (finding.position, finding.rule) == (5, "not_before_due")
    assert finding.expected == f"no start before {at(34)}, and it is {at(33.999)}"


def test_a_jobs_limit_counts_as_the_version_in_force_says_it() -> None:
    story = Story(max_concurrent_runs=1)
    for run in (RUN, OTHER_RUN, THIRD_RUN):
        story.request(run)
    story.start(RUN)
    story.start(OTHER_RUN)
    assert broken(story) == [(6, "room_in_job")]
    story = Story()
    story.request(RUN)
    story.request(OTHER_RUN)
    story.start(RUN)
    story.revise(2, max_concurrent_runs=1)
    story.start(OTHER_RUN)
    assert broken(story) == [(6, "room_in_job")]
    story.by_holder("succeeded", RUN)
    story.by_holder("succeeded", OTHER_RUN)
    story.revise(3, max_concurrent_runs=None)
    for run in (UUID_A, UUID_B):
        story.request(run, definition_version=3)
        story.start(run)
    assert broken(story) == [(6, "room_in_job")]


def test_two_runs_of_a_key_are_found_and_the_key_is_free_when_both_have_ended() -> None:
    story = Story()
    for run in (RUN, OTHER_RUN, THIRD_RUN):
        story.request(run, concurrency_value='"a"')
    story.start(RUN)
    story.start(OTHER_RUN)
    story.by_holder("succeeded", RUN)
    story.start(THIRD_RUN)
    story.by_holder("succeeded", OTHER_RUN)
    story.by_holder("succeeded", THIRD_RUN)
    story.request(UUID_A, concurrency_value='"a"')
    story.start(UUID_A)
    assert broken(story) == [(6, "key_is_free"), (8, "key_is_free")]


def test_after_a_second_start_the_new_holder_speaks_for_the_run() -> None:
    story = _running()
    story.start(execution=2, worker="v")
    story.by_holder("succeeded", execution=2, worker="v")
    assert broken(story) == [(4, "one_execution_at_a_time")]


def test_a_finding_says_which_run_and_what_was_expected() -> None:
    story = _running()
    story.by_holder("succeeded", execution=7, worker="v")
    [finding] = findings_in(story)
    assert finding.present() == {
        "position": 4,
        "type": "job_run.succeeded",
        "id": str(RUN),
        "rule": "fence",
        "expected": "the word of execution 1 of worker w, not of execution 7 of worker v",
    }
