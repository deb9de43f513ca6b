"""The promises about the log itself: positions, times, versions, causes, what was acknowledged."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from domain.identifiers import event_id
from projections.histories import rules
from projections.histories.checker import Checker
from projections.histories.rules import Finding
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


@pytest.fixture
def story() -> Story:
    """Tell of a run that is running, at position 3, and of one that waits, at position 4."""
    story = Story()
    story.request()
    story.start()
    story.request(OTHER_RUN)
    return story


def test_a_good_log_has_gaps_and_is_no_finding(story: Story) -> None:
    story.events[-1].position = 17
    assert broken(story) == []


@pytest.mark.parametrize("position", [3, 2])
def test_positions_rise(story: Story, position: int) -> None:
    story.events[-1].position = position
    assert broken(story) == [(position, "positions_rise")]


def test_positions_are_above_zero(story: Story) -> None:
    story.events[0].position = -1
    assert broken(story) == [(-1, "positions_rise")]


def test_events_are_recorded_in_their_order(story: Story) -> None:
    story.events[-1].recorded_us = story.events[-2].recorded_us - 1_000_001
    assert broken(story) == [(4, "recorded_in_order")]


def test_a_clock_that_was_set_right_is_no_finding(story: Story) -> None:
    story.events[-1].recorded_us = story.events[-2].recorded_us - 1_000_000
    assert broken(story) == []


def test_one_time_that_lies_ahead_is_found_once_it_is_left_behind(story: Story) -> None:
    story.events[2].recorded_us += 60_000_000
    assert broken(story) == [(4, "recorded_in_order")]


@pytest.mark.parametrize("step_s", [5, 3_600, 31_536_000])
def test_a_clock_that_was_set_back_is_told_once_and_is_no_finding(step_s: int) -> None:
    """Times of a run that began before stay where they are until the clock is there again."""
    story = Story(rate_limit={"limit": 1, "periodMs": 1_000}, fairness_key="k")
    for run in (RUN, OTHER_RUN):
        story.request(run)
        groups = {"rate": "", "fair": f'"{run}"'}
        story.append("job_run.grouped", run, groups=groups)
    story.start()
    held_at = story.start(OTHER_RUN).at
    first = story.position + 1
    for attempt in (1, 2):
        retry_at = at(story.position + 1 - step_s)
        story.append(
            "job_run.attempt_failed",
            execution=attempt,
            attempt=attempt,
            retry_at=retry_at,
            worker_id="w",
            failure_reason="error",
        )
        story.start(execution=attempt + 1, attempt=attempt + 1)
    story.request(THIRD_RUN, scheduled_at=at(story.position + 1 - step_s))
    story.start(THIRD_RUN)
    for event in story.events[first - 1 :]:
        event.recorded_us -= step_s * 1_000_000
        present = at(event.position - step_s)
        is_old = event.aggregate_id == RUN.bytes
        event.data["timestamp"] = max(present, held_at) if is_old else present
    [note] = findings_in(story)
    assert (note.position, note.rule, note.is_note) == (first, "recorded_in_order", True)
    assert f"{step_s - 1:.1f} s earlier" in note.expected


def test_a_missing_event_is_found(story: Story) -> None:
    story.by_holder("progressed")
    story.by_holder("succeeded")
    del story.events[4]
    assert broken(story) == [(6, "versions_without_gaps")]


def test_an_event_twice_is_found(story: Story) -> None:
    again = replace(story.by_holder("progressed"))
    again.position = 6
    story.events.append(again)
    assert broken(story) == [(6, "versions_without_gaps")]


def test_versions_of_other_aggregates_have_no_gaps_either() -> None:
    story = Story()
    build = UUID(int=20)
    story.append("build.requested", build)
    story.append("build.started", build).version = 3
    assert broken(story) == [(3, "versions_without_gaps")]
    story = Story()
    story.append("repository.added", build).version = 2
    assert broken(story) == [(2, "versions_without_gaps")]


def test_nothing_is_kept_of_builds_that_have_ended() -> None:
    story = Story()
    build = UUID(int=20)
    story.append("build.requested", build)
    story.append("build.failed", build)
    story.append("build.started", build)
    assert broken(story) == [(4, "versions_without_gaps")]


def test_topics_of_later_versions_are_no_findings() -> None:
    story = Story()
    story.append("webhook.delivered", uuid4(), whatever=True)
    assert broken(story) == []


def test_a_request_is_a_cause_that_is_in_no_log(story: Story) -> None:
    story.events[1].causation_id = uuid4().bytes
    assert broken(story) == []


def test_an_event_of_another_aggregate_may_be_the_cause(story: Story) -> None:
    story.events[-1].causation_id = event_id(RUN, 2).bytes
    assert broken(story) == []


def test_a_cause_that_is_nowhere_is_found(story: Story) -> None:
    cause = event_id(RUN, 9)
    story.events[-1].causation_id = cause.bytes
    [finding] = findings_in(story)
    assert (finding.position, finding.aggregate_id) == (4, OTHER_RUN)
    assert str(cause) in finding.expected


def test_a_cause_comes_before_its_effect(story: Story) -> None:
    story.events[1].causation_id = event_id(RUN, 2).bytes
    assert broken(story) == [(2, "cause_exists")]


def test_a_cause_of_long_ago_is_sought_in_the_whole_log(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "RECENT", 2)
    story.by_holder("progressed")
    story.events[-1].causation_id = event_id(RUN, 1).bytes
    story.by_holder("progressed")
    story.events[-1].causation_id = event_id(JOB, 1).bytes
    findings: list[Finding] = []
    checker = Checker(findings.append)
    for event in story.events:
        checker.feed(event)
    assert len(checker.causes) == 2
    for event in story.events:
        checker.causes.find(event.position, event.aggregate_id, event.version)
    checker.end()
    assert findings == []
    assert len(checker.causes) == 0


@pytest.mark.parametrize("version", [1, 2, 17, 12_345])
def test_the_checkers_event_ids_are_those_of_the_service(version: int) -> None:
    aggregate_id = uuid4()
    assert rules.event_number(aggregate_id.bytes, version) == event_id(aggregate_id, version).int


def test_what_was_acknowledged_is_there(story: Story) -> None:
    assert findings_in(story, [RUN, OTHER_RUN, event_id(RUN, 2), event_id(JOB, 1)]) == []


def test_what_was_acknowledged_and_is_missing_is_found(story: Story) -> None:
    run, event = uuid4(), event_id(RUN, 3)
    findings = findings_in(story, [RUN, run, event, event_id(RUN, 1)])
    assert {(one.position, one.aggregate_id, one.rule) for one in findings} == {
        (None, run, "acknowledged_is_there"),
        (None, event, "acknowledged_is_there"),
    }
    assert all(one.present()["type"] is None for one in findings)


def test_what_has_ended_leaves_nothing_behind() -> None:
    story = Story()
    for number in range(100, 150):
        run = UUID(int=number)
        story.request(run, concurrency_value=str(number))
        story.start(run)
        story.by_holder("succeeded", run)
    checker = Checker(lambda _: None)
    for event in story.events:
        checker.feed(event)
    assert checker._living == {}
    assert list(checker._log.versions) == [JOB.bytes]
    [job] = checker._jobs.values()
    assert (job.running, dict(job.running_by_key)) == (0, {})
    assert (checker.runs, checker.events) == (50, 151)
