"""A handler hears at once that it reports too much."""

from dataclasses import dataclass

import pytest

from api.http.limits import MAX_BODY_BYTES
from apphub_jobs.process.reports import MAX_BYTES, Reported
from domain.jobs import reports as of_the_service


def report(**parts: object) -> dict[str, object]:
    return {"metrics": {}, "context": {}, "logsUrl": None, **parts}


def test_a_run_has_room_for_all_that_an_attempt_may_report() -> None:
    assert of_the_service.MAX_METRICS_BYTES >= MAX_BYTES
    assert of_the_service.MAX_CONTEXT_BYTES >= MAX_BODY_BYTES + MAX_BYTES


@pytest.mark.parametrize("part", ["metrics", "context"])
def test_all_reports_of_an_attempt_together_have_a_limit(part: str) -> None:
    reported = Reported()
    third = "x" * (MAX_BYTES // 3)
    reported.add(report(**{part: {"a": third}}))
    reported.add(report(**{part: {"b": third}}))
    with pytest.raises(ValueError, match=rf"{part} would have .* at most {MAX_BYTES}"):
        reported.add(report(**{part: {"c": third}}))
    # Nothing of that was taken in, and what is said anew replaces what was.
    for _ in range(5):
        reported.add(report(**{part: {"b": third}}))


@dataclass
class Rows:
    count: int


def test_what_becomes_json_later_is_counted_as_that_and_what_never_does_is_left_to_it() -> (
    None
):
    reported = Reported()
    reported.add(report(metrics={"rows": Rows(3)}))
    reported.add(report(metrics={"rows": object()}))
