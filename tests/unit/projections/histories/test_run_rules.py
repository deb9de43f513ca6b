"""What keeps the promises about runs is no finding; and the page names all that are checked."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from domain.jobs import run_events
from projections.histories.run_rules import RULES, STATES, STEPS
from tests import ROOT
from tests.unit.projections.histories.story import (
    JOB,
    OTHER_RUN,
    RUN,
    THIRD_RUN,
    Story,
    at,
    findings_in,
)


def _retried() -> Story:
    """Tell of a run that fails once, waits, starts again, reports and succeeds."""
    story = Story()
    story.request()
    story.start()
    story.end("attempt_failed", 1)
    story.start(execution=2, attempt=2)
    story.by_holder("progressed", execution=2)
    story.by_holder("succeeded", execution=2)
    return story


def _timed_out() -> Story:
    story = Story()
    story.request()
    story.start()
    story.end("attempt_timed_out", 0, failure_reason="execution_timeout")
    story.start(execution=2, attempt=2)
    last = {"execution": 2, "attempt": 2}
    story.end("attempt_timed_out", failure_reason="handler", **last)
    return story


def _lost() -> Story:
    story = Story()
    story.request(max_attempts=2)
    story.start()
    story.end("attempt_lost", 0)
    story.start(execution=2, attempt=2, worker="v")
    story.end("attempt_lost", execution=2, attempt=2, worker="v")
    return story


def _handed_back() -> Story:
    story = Story()
    story.request(max_attempts=1)
    story.start()
    story.by_holder("handed_back")
    story.start(execution=2)
    story.end("attempt_failed", execution=2)
    return story


def _canceled_while_pending() -> Story:
    story = Story()
    story.request()
    story.cancel()
    return story


def _canceled_while_running() -> Story:
    story = Story()
    story.request()
    story.start()
    story.append("job_run.cancel_requested")
    story.cancel(worker_id="w", execution=1)
    return story


def _canceled_by_its_handler() -> Story:
    story = Story()
    story.request()
    story.start()
    story.cancel(worker_id="w", execution=1, failure_reason="handler")
    return story


def _expired_by_its_handler_after_a_cancel() -> Story:
    story = Story()
    story.request()
    story.start()
    story.append("job_run.cancel_requested")
    story.end("attempt_timed_out", failure_reason="handler")
    return story


def _never_started() -> Story:
    story = Story()
    story.request(start_deadline_at=at(3))
    story.append("job_run.start_deadline_passed")
    return story


def _started_again_after_its_start_deadline() -> Story:
    story = Story()
    story.request(start_deadline_at=at(4))
    story.start()
    story.by_holder("handed_back")
    story.start(execution=2)
    return story


def _within_limits() -> Story:
    """Tell of two runs at a time, also after the limit was lowered beneath what runs."""
    story = Story(max_concurrent_runs=2)
    for run in (RUN, OTHER_RUN, THIRD_RUN):
        story.request(run, concurrency_value=f'"{run}"')
    story.start(RUN)
    story.start(OTHER_RUN)
    story.revise(2, max_concurrent_runs=1)
    story.by_holder("succeeded", RUN)
    story.by_holder("succeeded", OTHER_RUN)
    story.start(THIRD_RUN)
    return story


def _sharing_a_key() -> Story:
    story = Story(concurrency_limit=2)
    for run in (RUN, OTHER_RUN, THIRD_RUN):
        story.request(run, concurrency_value='"a"')
    story.start(RUN)
    story.start(OTHER_RUN)
    story.revise(2, concurrency_limit=1)
    story.by_holder("succeeded", RUN)
    story.by_holder("succeeded", OTHER_RUN)
    story.start(THIRD_RUN)
    return story


RATE = {"limit": 2, "periodMs": 3_000, "key": "k"}


def _within_its_rate() -> Story:
    """Tell of starts at seconds 8, 9, 11 and 12, of which the period covers three seconds."""
    story = Story(rate_limit=RATE)
    for run in (RUN, OTHER_RUN, THIRD_RUN):
        story.request(run)
        story.append("job_run.grouped", run, groups={"rate": '"a"'})
    story.start(RUN)
    story.start(OTHER_RUN)
    story.by_holder("handed_back", RUN)
    story.start(RUN, execution=2)
    story.start(THIRD_RUN)
    return story


def _paused_and_resumed() -> Story:
    """Tell of a job of which one run goes on while it is paused, and another one waits."""
    story = Story()
    story.request(RUN)
    story.request(OTHER_RUN)
    story.start(RUN)
    story.append("job_definition.paused", JOB, by="ada", reason=None)
    story.end("attempt_failed", 1)
    story.append("job_definition.resumed", JOB)
    story.start(OTHER_RUN)
    story.start(RUN, execution=2, attempt=2)
    return story


def _taking_turns() -> Story:
    story = Story()
    story.request(RUN, concurrency_value='"a"')
    story.request(OTHER_RUN, concurrency_value='"a"')
    story.request(THIRD_RUN, concurrency_value='"b"')
    story.start(RUN)
    story.start(THIRD_RUN)
    story.by_holder("handed_back", RUN)
    story.start(OTHER_RUN)
    return story


GOOD = (
    _retried,
    _timed_out,
    _lost,
    _handed_back,
    _canceled_while_pending,
    _canceled_while_running,
    _canceled_by_its_handler,
    _expired_by_its_handler_after_a_cancel,
    _never_started,
    _started_again_after_its_start_deadline,
    _within_limits,
    _sharing_a_key,
    _within_its_rate,
    _paused_and_resumed,
    _taking_turns,
)


@pytest.mark.parametrize("make_story", GOOD, ids=lambda make_story: str(make_story.__name__)[1:])
def test_what_is_as_promised_is_no_finding(make_story: Callable[[], Story]) -> None:
    assert findings_in(make_story()) == []


def test_the_good_stories_have_every_event_of_a_run() -> None:
    topics = {event.topic for make in GOOD for event in make().events}
    assert topics >= set(RULES)


def _is_last(event: type[run_events.RunEvent]) -> bool:
    return not event.__subclasses__()


def test_the_checker_knows_every_event_of_a_run() -> None:
    events = {
        str(event.TOPIC)
        for event in vars(run_events).values()
        if isinstance(event, type) and issubclass(event, run_events.RunEvent) and _is_last(event)
    }
    assert set(RULES) == events
    assert set(STATES) == set(STEPS) == events - {"job_run.requested"}


def _documented() -> dict[str, tuple[str, str]]:
    """Return what the page says of each topic: the states, and the promises."""
    text = (Path(ROOT) / "docs" / "state-machine.md").read_text()
    section = text.partition("## What `verify --histories` checks")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(job_run\.\w+)` \| (.+?) \| (.+?) \|$", section, re.MULTILINE)
    return {topic: (states, rules) for topic, states, rules in rows}


def test_the_page_says_what_is_checked() -> None:
    documented = _documented()
    assert set(documented) == set(RULES)
    for topic, (states, rules) in documented.items():
        assert re.findall(r"`(\w+)`", rules) == [rule.__name__ for rule in RULES[topic]]
        if topic in STATES:
            assert set(states.split(", ")) == STATES[topic]
