"""A value that is started twice while another one waits is found, and nothing else is."""

import pickle
from typing import Any
from uuid import UUID

import pytest

from projections.flow.limits import MAX_DEPTH, MAX_VALUES
from projections.histories.rules import FairnessGroups
from tests.unit.projections.histories.story import OTHER_RUN, RUN, THIRD_RUN, Story, at, broken

OVERTAKEN = [(10, "takes_turns")]


def _waiting(story: Story, run: UUID, value: str, **fields: Any) -> None:
    story.request(run, **fields)
    story.append("job_run.grouped", run, groups={"fair": value})


def _overtaken(story: Story | None = None, **fields: Any) -> Story:
    """Return a story in which a value has two turns, and another one waits."""
    if story is None:
        story = Story(fairness_key="tenant")
    _waiting(story, RUN, '"a"')
    _waiting(story, OTHER_RUN, '"b"', **fields)
    _waiting(story, THIRD_RUN, '"a"')
    story.start(RUN)
    story.start(THIRD_RUN)
    story.by_holder("succeeded", THIRD_RUN)
    return story


def _rules(story: Story) -> list[str]:
    return [rule for _, rule in broken(story)]


def test_a_second_turn_while_another_value_waits_is_found() -> None:
    assert broken(_overtaken()) == OVERTAKEN
    story = Story(fairness_key="tenant")
    _waiting(story, RUN, '"a"')
    _waiting(story, OTHER_RUN, '"b"')
    story.start(RUN)
    story.by_holder("handed_back")
    story.start(RUN, execution=2)
    assert broken(story) == []
    story.end("attempt_failed", execution=2)
    assert broken(story) == [(9, "takes_turns")]


def _given_up() -> Story:
    """Return a story in which nobody executes the runs: they start as the queue has them."""
    story = Story(fairness_key="tenant")
    _waiting(story, RUN, '"a"')
    _waiting(story, OTHER_RUN, '"b"')
    story.start(RUN)
    story.by_holder("handed_back")
    story.start(RUN, execution=2)
    return story


def test_what_is_failed_because_nobody_executes_it_takes_no_turns() -> None:
    story = _given_up()
    story.end("attempt_failed", execution=2, failure_reason="no_handler")
    assert broken(story) == []


def test_what_is_given_up_may_be_handed_back_lost_or_canceled_before() -> None:
    handed_back = _given_up()
    handed_back.by_holder("handed_back", execution=2)
    assert broken(handed_back) == []
    lost = _given_up()
    lost.end("attempt_lost", execution=2, retry_after_s=1)
    assert broken(lost) == []
    canceled = _given_up()
    canceled.append("job_run.cancel_requested", reason=None)
    canceled.by_holder("canceled", execution=2, failure_reason=None)
    assert broken(canceled) == []


def test_turns_go_on_from_what_was_started_without_one() -> None:
    story = Story(fairness_key="tenant")
    _waiting(story, RUN, '"a"')
    _waiting(story, OTHER_RUN, '"b"')
    _waiting(story, THIRD_RUN, '"c"')
    story.start(RUN)
    story.by_holder("handed_back")
    story.start(THIRD_RUN)
    story.end("attempt_failed", run=THIRD_RUN, failure_reason="no_handler")
    story.start(RUN, execution=2)
    story.by_holder("succeeded", execution=2)
    assert broken(story) == []


@pytest.mark.parametrize(
    ("others", "expected"), [(MAX_DEPTH, []), (MAX_DEPTH - 1, ["takes_turns"])]
)
def test_who_stands_behind_as_many_as_are_looked_past_need_not_be_seen(
    others: int, expected: list[str]
) -> None:
    story = Story(fairness_key="tenant")
    for number in range(others):
        run = UUID(int=100 + number)
        _waiting(story, run, '"b"', concurrency_value="1")
    assert _rules(_overtaken(story)) == expected


@pytest.mark.parametrize(
    ("others", "expected"), [(MAX_VALUES - 1, []), (MAX_VALUES - 2, ["takes_turns"])]
)
def test_where_more_values_are_planned_than_are_walked_over_nothing_is_told(
    others: int, expected: list[str]
) -> None:
    story = Story(fairness_key="tenant")
    for number in range(others):
        run = UUID(int=100 + number)
        _waiting(story, run, f'"a{number}"', scheduled_at=at(100_000))
    assert _rules(_overtaken(story)) == expected


def test_what_is_kept_of_turns_does_not_grow_with_the_log() -> None:
    waiting = FairnessGroups()
    for number in range(1_000):
        run = number.to_bytes(16)
        waiting.add(("noop", 0), f'"{number}"', run, at(number))
        waiting.start(("noop", 0), f'"{number}"', at(number + 1))
        waiting.remove(("noop", 0), f'"{number}"', run)
    assert len(pickle.dumps(waiting)) < 1_000


def test_whoever_cannot_start_is_not_overtaken() -> None:
    assert broken(_overtaken(scheduled_at=at(60))) == []
    assert broken(_overtaken(concurrency_value="1")) == []
    assert broken(_overtaken(start_deadline_at=at(60))) == []
    assert broken(_overtaken(priority=1)) == []
    assert broken(_overtaken(entry_point="other")) == []


def test_who_has_had_a_turn_or_came_after_is_not_overtaken() -> None:
    story = Story(fairness_key="tenant")
    _waiting(story, RUN, '"a"')
    _waiting(story, OTHER_RUN, '"b"')
    story.start(OTHER_RUN)
    story.start(RUN)
    _waiting(story, THIRD_RUN, '"a"')
    story.start(THIRD_RUN)
    story.by_holder("handed_back", OTHER_RUN)
    story.by_holder("succeeded", THIRD_RUN)
    assert broken(story) == []


def test_no_turns_are_promised_once_the_job_has_no_key() -> None:
    story = Story(fairness_key="tenant")
    _waiting(story, RUN, '"a"')
    _waiting(story, OTHER_RUN, '"b"')
    _waiting(story, THIRD_RUN, '"a"')
    story.start(RUN)
    story.revise(2, fairness_key=None)
    story.start(THIRD_RUN)
    story.by_holder("succeeded", THIRD_RUN)
    assert broken(story) == []


def test_who_was_canceled_waits_no_more() -> None:
    story = Story(fairness_key="tenant")
    _waiting(story, RUN, '"a"')
    _waiting(story, OTHER_RUN, '"b"')
    story.start(RUN)
    story.cancel(OTHER_RUN)
    story.by_holder("handed_back")
    story.start(RUN, execution=2)
    story.by_holder("succeeded", execution=2)
    assert broken(story) == []
