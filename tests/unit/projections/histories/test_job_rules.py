"""What jobs promise, by their events: what keeps it is no finding, and what breaks it is found."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from domain.topics import EVENTS
from projections.histories.job_rules import RULES
from tests import ROOT
from tests.unit.projections.histories.story import JOB, OTHER_RUN, Story, broken, findings_in


def test_a_job_may_be_deleted_and_registered_again() -> None:
    story = Story(max_concurrent_runs=1)
    story.request()
    story.start()
    story.by_holder("succeeded")
    story.append("job_definition.paused", JOB, by="ada", reason=None)
    story.append("job_definition.deleted", JOB)
    story.append("job_definition.registered_again", JOB, version=2, spec={})
    story.request(OTHER_RUN, definition_version=2)
    story.start(OTHER_RUN)
    assert findings_in(story) == []


def _pending() -> Story:
    story = Story()
    story.request()
    return story


def _running() -> Story:
    story = _pending()
    story.start()
    return story


def _deleted() -> Story:
    story = Story()
    story.append("job_definition.deleted", JOB)
    return story


def _delete(story: Story) -> object:
    return story.append("job_definition.deleted", JOB)


def _register_again(version: int) -> Callable[[Story], object]:
    return lambda story: story.append(
        "job_definition.registered_again", JOB, version=version, spec={}
    )


BAD: list[tuple[str, Callable[[], Story], Callable[[Story], object]]] = [
    ("no_unfinished_runs", _pending, _delete),
    ("no_unfinished_runs", _running, _delete),
    ("deleted_before", Story, _register_again(2)),
    ("versions_go_on", _deleted, _register_again(1)),
    ("versions_go_on", Story, lambda story: story.revise(1)),
]


@pytest.mark.parametrize(("rule", "begin", "spoil"), BAD)
def test_a_broken_promise_is_found(
    rule: str, begin: Callable[[], Story], spoil: Callable[[Story], object]
) -> None:
    story = begin()
    assert broken(story) == []
    spoil(story)
    assert broken(story) == [(story.position, rule)]


def test_each_rule_has_a_broken_form() -> None:
    rules = {rule.__name__ for rules in RULES.values() for rule in rules}
    assert {rule for rule, *_ in BAD} == rules


def test_the_checker_knows_every_event_of_a_job() -> None:
    events = {topic for topic in EVENTS if topic.startswith("job_definition.")}
    assert set(RULES) == events - {"job_definition.event"}


def test_the_page_says_what_is_checked_of_jobs() -> None:
    text = (Path(ROOT) / "docs" / "state-machine.md").read_text()
    rows = re.findall(r"^\| `(job_definition\.\w+)` \|.*\| (.*) \|$", text, re.MULTILINE)
    documented = {topic: re.findall(r"`(\w+)`", promises) for topic, promises in rows}
    checked = {topic: [rule.__name__ for rule in rules] for topic, rules in RULES.items()}
    assert documented == checked
