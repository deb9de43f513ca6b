"""What is reported fits into a run, or is left out and named; nobody's outcome is lost for it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.jobs.reports import (
    LEFT_OUT,
    MAX_CONTEXT_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_METRICS_BYTES,
    MAX_NAMES,
    fit_report,
    shorten_message,
)
from domain.jobs.run_events import AttemptFailure, Report
from domain.json_values import JsonObject, canonical
from tests.unit.given import NOON, WORKER, a_run, at, half


def text_of(size: int) -> str:
    """Return a text that takes so many bytes as JSON."""
    return "x" * (size - 2)


def test_what_fits_is_kept_as_it_is() -> None:
    report = Report({"rows": 3}, {"step": "two"}, "https://logs")
    assert fit_report({"big": text_of(MAX_METRICS_BYTES - 100)}, {}, report) is report


def test_the_largest_new_values_are_left_out_and_named() -> None:
    report = Report(
        {"small": 1, "big": text_of(MAX_METRICS_BYTES), "rows": [2]},
        {"huge": text_of(MAX_CONTEXT_BYTES + 1), "step": "two"},
        "https://logs",
    )
    fit = fit_report({}, {}, report)
    assert fit.metrics == {"small": 1, "rows": [2]}
    assert fit.logs_url == "https://logs"
    note = fit.context[LEFT_OUT]
    assert fit.context == {"step": "two", LEFT_OUT: note}
    assert isinstance(note, str)
    assert note.startswith("metrics.big, context.huge: ")
    assert str(MAX_METRICS_BYTES) in note
    assert "report its address" in note


def test_a_run_that_is_full_takes_only_what_does_not_grow() -> None:
    full: JsonObject = {"a": text_of(MAX_METRICS_BYTES), "b": "before"}
    smaller = text_of(MAX_METRICS_BYTES - 9)
    fit = fit_report(full, {}, Report({"a": smaller, "b": "after", "c": 1}))
    assert fit.metrics == {"a": smaller, "b": "after"}
    assert "metrics.c" in str(fit.context[LEFT_OUT])


@pytest.mark.timeout(150)
def test_to_leave_out_very_many_names_takes_no_longer_than_to_read_them() -> None:
    # Each compared with each, they would keep a worker busy for a minute.
    report = Report(metrics={f"{number:06}": 0 for number in range(100_000)})
    full: JsonObject = {"full": "x" * MAX_METRICS_BYTES}
    fitted = fit_report(full, {}, report)
    assert fitted.metrics == {}
    assert "and 99990 more" in str(fitted.context[LEFT_OUT])


def test_the_note_is_bounded_by_bytes_whatever_it_names() -> None:
    wide = [str(number) + "\x01☃" * 100 for number in range(MAX_NAMES + 1)]
    full: JsonObject = {"a": text_of(MAX_CONTEXT_BYTES - len('{"a":}'))}
    reported: JsonObject = dict.fromkeys(wide, "more")
    fit = fit_report({}, full, Report({}, reported))
    assert fit.context.keys() == {LEFT_OUT}
    assert f" and {len(wide) - MAX_NAMES} more: " in str(fit.context[LEFT_OUT])
    whole = len(canonical({**full, **fit.context}))
    assert whole <= MAX_CONTEXT_BYTES + 2_048


SOME = st.dictionaries(
    st.text("ab", min_size=1, max_size=2), st.text("xü☃", max_size=60), max_size=6
)


@given(before=SOME, reports=st.lists(SOME, max_size=6))
def test_however_much_is_reported_the_sum_stays_bounded(
    before: dict[str, Any], reports: list[dict[str, Any]]
) -> None:
    most = 200
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("domain.jobs.reports.MAX_METRICS_BYTES", most)
        patch.setattr("domain.jobs.reports.MAX_CONTEXT_BYTES", most)
        run = a_run(context=before)
        holder = run.start(WORKER, NOON)
        for report in reports:
            run.progress(holder, NOON, Report(report, report))
        run.fail(holder, NOON, AttemptFailure("boom"), Report(), half)
    assert len(canonical(run.metrics)) <= most
    own = {name: v for name, v in run.merged_context.items() if name != LEFT_OUT}
    assert len(canonical(own)) <= max(most, len(canonical(before)))


def test_a_run_that_reports_too_much_keeps_its_result() -> None:
    run = a_run()
    holder = run.start(WORKER, NOON)
    run.collect_events()
    run.succeed(holder, at(5), {"hours": 5}, Report({"m": text_of(MAX_METRICS_BYTES)}))
    (event,) = run.pending_events
    assert vars(event)["result"] == {"hours": 5}
    assert vars(event)["metrics"] == {}
    assert LEFT_OUT in vars(event)["context"]


@pytest.mark.parametrize("text", ["x", "é", "漢"])
@pytest.mark.parametrize("end", ["fail", "expire", "confirm_cancel"])
def test_a_message_keeps_its_beginning_and_its_end(end: str, text: str) -> None:
    run = a_run()
    holder = run.start(WORKER, NOON)
    run.collect_events()
    message = f"first {text * 1_000_000} last"
    match end:
        case "fail":
            run.fail(holder, at(5), AttemptFailure(message), Report(), half)
        case "expire":
            run.expire(holder, at(5), message, Report())
        case _:
            run.confirm_cancel(holder, at(5), message, Report(), by_handler=True)
    (event,) = run.pending_events
    shortened = vars(event).get("error_message") or vars(event)["reason"]
    assert len(shortened.encode()) <= MAX_MESSAGE_BYTES
    assert shortened.startswith(f"first {text}")
    assert shortened.endswith(f"{text} last")
    assert "bytes are left out" in shortened


def test_a_message_that_fits_is_told_as_it_is() -> None:
    message = "é" * (MAX_MESSAGE_BYTES // 2)
    assert shorten_message(message) is message
