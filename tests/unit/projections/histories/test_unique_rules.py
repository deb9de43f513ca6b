"""Two runs where one is enough are found, and nothing else is."""

from collections.abc import Callable
from uuid import UUID

import pytest

from tests.unit.projections.histories.story import OTHER_RUN, RUN, Story, broken


def _request(story: Story, until: str, run: UUID, value: str = '{"k":1}') -> None:
    story.request(run)
    story.append("job_run.grouped", run, groups={f"unique_until_{until}": value})


def _start(story: Story) -> None:
    story.start()


def _hand_back(story: Story) -> None:
    story.start()
    story.by_holder("handed_back")


def _fail(story: Story) -> None:
    story.start()
    story.end("attempt_failed", 1)


def _fail_for_good(story: Story) -> None:
    story.start()
    story.end("attempt_failed", failure_reason="permanent_error")


def _succeed(story: Story) -> None:
    story.start()
    story.by_holder("succeeded")


def _cancel(story: Story) -> None:
    story.cancel()


def _nothing(story: Story) -> None:
    del story


LIVES: list[tuple[Callable[[Story], None], set[str]]] = [
    (_nothing, set()),
    (_start, {"start"}),
    (_hand_back, {"start"}),
    (_fail, {"start"}),
    (_fail_for_good, {"start", "end"}),
    (_succeed, {"start", "end"}),
    (_cancel, {"start", "end"}),
]
"""What becomes of a run, and until what it must have been unique for another one to come then."""


@pytest.mark.parametrize(("live", "over"), LIVES)
def test_another_run_comes_when_the_first_lets_it_and_not_before(
    live: Callable[[Story], None], over: set[str]
) -> None:
    for until in ("start", "end"):
        story = Story()
        _request(story, until, RUN)
        live(story)
        _request(story, until, OTHER_RUN)
        expected = [] if until in over else [(story.position, "unique_kept")]
        assert broken(story) == expected


def test_other_values_and_runs_that_are_not_unique_are_in_nobody_s_way() -> None:
    story = Story()
    _request(story, "end", RUN)
    _request(story, "end", OTHER_RUN, '{"k":2}')
    story.request(UUID(int=9))
    assert broken(story) == []
