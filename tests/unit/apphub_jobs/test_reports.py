"""A handler hears at once that it reports too much."""

import json
from dataclasses import dataclass

import pytest

from api.http.limits import MAX_BODY_BYTES
from apphub_jobs import JobRunContext
from apphub_jobs.process.program import MAX_REPORT_BYTES, NotJsonError, ReportBudget
from apphub_jobs.testing.service import call
from domain.jobs import reports as of_the_service


def report(**parts: object) -> dict[str, object]:
    return {"metrics": {}, "context": {}, "logsUrl": None, **parts}


def test_a_run_has_room_for_all_that_an_attempt_may_report() -> None:
    assert of_the_service.MAX_METRICS_BYTES >= MAX_REPORT_BYTES
    assert of_the_service.MAX_CONTEXT_BYTES >= MAX_BODY_BYTES + MAX_REPORT_BYTES


@pytest.mark.parametrize("part", ["metrics", "context"])
def test_all_reports_of_an_attempt_together_have_a_limit(part: str) -> None:
    reported = ReportBudget()
    third = "x" * (MAX_REPORT_BYTES // 3)
    reported.add(report(**{part: {"a": third}}))
    reported.add(report(**{part: {"b": third}}))
    with pytest.raises(ValueError, match=rf"{part} would have .* at most {MAX_REPORT_BYTES}"):
        reported.add(report(**{part: {"c": third}}))
    # Nothing of that was taken in, and what is said anew replaces what was.
    for _ in range(5):
        reported.add(report(**{part: {"b": third}}))


@dataclass
class Rows:
    count: int


def test_what_becomes_json_is_counted_as_that_and_what_never_does_is_told() -> None:
    reported = ReportBudget()
    reported.add(report(metrics={"rows": Rows(3)}))
    with pytest.raises(NotJsonError, match=r"metrics\.rows is a value"):
        reported.add(report(metrics={"rows": object()}))


class Model:
    """Dumped as one of pydantic's."""

    dumps = 0

    def model_dump(self, **how: object) -> dict[str, int]:
        del how
        self.dumps += 1
        return {"dumps": self.dumps}


def test_what_is_reported_becomes_json_once() -> None:
    model = Model()
    text = ReportBudget().add(report(context={"model": model}))
    assert json.loads(text)["context"] == {"model": {"dumps": 1}}
    assert model.dumps == 1


def test_a_handler_in_a_test_hears_what_one_in_a_run_would() -> None:
    model = Model()

    def handler(context: JobRunContext) -> None:
        context.update(context={"model": model})

    call(handler)
    assert model.dumps == 1
