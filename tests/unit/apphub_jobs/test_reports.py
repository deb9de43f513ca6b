"""A handler hears at once that it reports too much."""

from dataclasses import dataclass

import pytest

from apphub_jobs.process import reports
from apphub_jobs.process.reports import MAX_BYTES, Reported
from domain.jobs import reports as of_the_service


def report(**parts: object) -> dict[str, object]:
    return {"metrics": {}, "context": {}, "logsUrl": None, **parts}


def test_handlers_and_service_have_one_limit() -> None:
    assert reports.MAX_BYTES == of_the_service.MAX_BYTES


@pytest.mark.parametrize("part", ["metrics", "context"])
def test_all_reports_of_an_attempt_together_have_a_limit(part: str) -> None:
    reported = Reported(None)
    third = "x" * (MAX_BYTES // 3)
    reported.add(report(**{part: {"a": third}}))
    reported.add(report(**{part: {"b": third}}))
    with pytest.raises(ValueError, match=rf"{part} would have .* at most {MAX_BYTES}"):
        reported.add(report(**{part: {"c": third}}))
    # Nothing of that was taken in, and what is said anew replaces what was.
    for _ in range(5):
        reported.add(report(**{part: {"b": third}}))


def test_the_launchs_context_counts() -> None:
    reported = Reported({"launch": "ü" * 100_000})
    with pytest.raises(ValueError, match="report its address"):
        reported.add(report(context={"more": "x" * 70_000}))


@dataclass
class Rows:
    count: int


def test_what_becomes_json_later_is_counted_as_that_and_what_never_does_is_left_to_it() -> (
    None
):
    reported = Reported(None)
    reported.add(report(metrics={"rows": Rows(3)}))
    reported.add(report(metrics={"rows": object()}))
