"""More starts within a period than its limit are found, and nothing else is."""

from uuid import UUID

from tests.unit.projections.histories.story import OTHER_RUN, RUN, THIRD_RUN, Story, broken


def _counted(limit: int, *runs: UUID) -> Story:
    story = Story(rate_limit={"limit": limit, "periodMs": 5_000})
    for run in runs:
        story.request(run)
        story.append("job_run.grouped", run, groups={"rate": ""})
    return story


def test_starts_within_a_period_beyond_its_limit_are_found() -> None:
    story = _counted(2, RUN, OTHER_RUN, THIRD_RUN)
    story.start(RUN)
    story.start(OTHER_RUN)
    story.start(THIRD_RUN)
    assert broken(story) == [(10, "within_rate")]
    story = _counted(1, RUN)
    story.start(RUN)
    story.by_holder("handed_back")
    story.start(RUN, execution=2)
    assert broken(story) == [(6, "within_rate")]


def test_a_run_is_grouped_once_and_at_once() -> None:
    story = _counted(1, RUN)
    story.append("job_run.grouped", groups={})
    assert broken(story) == [(4, "grouped_at_launch")]
    story = Story()
    story.request()
    story.start()
    story.append("job_run.grouped", groups={})
    assert broken(story) == [(4, "legal_transition")]


def test_what_counts_by_another_value_or_not_at_all_is_no_finding() -> None:
    story = Story(rate_limit={"limit": 1, "periodMs": 60_000, "key": "k"})
    for run, groups in ((RUN, {"rate": "1"}), (OTHER_RUN, {"rate": "2"})):
        story.request(run)
        story.append("job_run.grouped", run, groups=groups)
        story.start(run)
    story.request(THIRD_RUN)
    story.start(THIRD_RUN)
    assert broken(story) == []
    story.revise(2, rate_limit=None)
    story.end("attempt_failed", 0)
    story.start(RUN, execution=2, attempt=2)
    assert broken(story) == []
