"""The run's machine: every command in every state, as `docs/state-machine.md` has it."""

import inspect
import itertools
from collections.abc import Callable

import pytest

from domain.errors import ConflictError
from domain.jobs.run import JobRun
from domain.jobs.run_events import STATUSES, AttemptFailure, Holder, Report
from tests import ROOT
from tests.unit.given import FIRST, START_DEADLINE_MS, WORKER, a_run, at, failing, half, new_topics

DOCUMENT = ROOT / "docs" / "state-machine.md"

NOW = at(10_000)
AFTER_DEADLINE = at(START_DEADLINE_MS)
ERROR = AttemptFailure("boom")

# Given: each state, with the holder that speaks in it (the last one where nobody holds the run),
# and as many attempts left after the present one as the argument says -----------------------------


def _pending(spare: int) -> tuple[JobRun, Holder]:
    return a_run(max_attempts=1 + spare), FIRST


def _running(spare: int) -> tuple[JobRun, Holder]:
    run, _ = _pending(spare)
    return run, run.start(WORKER, at(100))


def _retried(spare: int) -> tuple[JobRun, Holder]:
    run = a_run(max_attempts=2 + spare)
    holder = run.start(WORKER, at(100))
    failing(run, holder, 200)
    return run, holder


def _handed_back(spare: int) -> tuple[JobRun, Holder]:
    run, holder = _running(spare)
    run.hand_back(holder, at(200))
    return run, holder


def _stopping(spare: int) -> tuple[JobRun, Holder]:
    run, holder = _running(spare)
    run.request_cancel(at(200), "no longer needed")
    return run, holder


def _succeeded(spare: int) -> tuple[JobRun, Holder]:
    run, holder = _running(spare)
    run.succeed(holder, at(200), {"rows": 3}, Report())
    return run, holder


def _failed(spare: int) -> tuple[JobRun, Holder]:
    run, holder = _running(spare)
    run.fail(holder, at(200), AttemptFailure("never", permanent=True), Report(), half)
    return run, holder


def _canceled(spare: int) -> tuple[JobRun, Holder]:
    run, holder = _stopping(spare)
    run.confirm_cancel(holder, at(300), None, Report())
    return run, holder


def _expired(spare: int) -> tuple[JobRun, Holder]:
    run, holder = _running(spare)
    run.expire(holder, at(200), "stale data", Report())
    return run, holder


GIVEN: dict[str, Callable[[int], tuple[JobRun, Holder]]] = {
    "pending": _pending,
    "pending after a retry": _retried,
    "pending after hand-back": _handed_back,
    "running": _running,
    "running, cancel requested": _stopping,
    "canceled": _canceled,
    "succeeded": _succeeded,
    "failed": _failed,
    "expired": _expired,
}

# When: each command, in each of the circumstances that matter to it -------------------------------

LAST = "on the last attempt"

WHEN: dict[str, Callable[[JobRun, Holder], object]] = {
    "request_cancel": lambda run, _: run.request_cancel(NOW, "changed my mind"),
    "expire_start": lambda run, _: run.expire_start(AFTER_DEADLINE),
    "expire_start, before the deadline": lambda run, _: run.expire_start(NOW),
    "start": lambda run, _: run.start(WORKER, NOW),
    "start, before scheduledAt": lambda run, _: run.start(WORKER, at(-1)),
    "start, after the start deadline": lambda run, _: run.start(WORKER, AFTER_DEADLINE),
    "progress": lambda run, holder: run.progress(holder, NOW, Report()),
    "succeed": lambda run, holder: run.succeed(holder, NOW, None, Report()),
    "fail": lambda run, holder: run.fail(holder, NOW, ERROR, Report(), half),
    f"fail, {LAST}": lambda run, holder: run.fail(holder, NOW, ERROR, Report(), half),
    "fail, permanently": lambda run, holder: run.fail(
        holder, NOW, AttemptFailure("x", permanent=True), Report(), half
    ),
    "time_out": lambda run, holder: run.time_out(holder, NOW, Report(), half),
    f"time_out, {LAST}": lambda run, holder: run.time_out(holder, NOW, Report(), half),
    "expire": lambda run, holder: run.expire(holder, NOW, "stale data", Report()),
    "lose": lambda run, holder: run.lose(holder, NOW, "silent", half),
    f"lose, {LAST}": lambda run, holder: run.lose(holder, NOW, "silent", half),
    "hand_back": lambda run, holder: run.hand_back(holder, NOW),
    "confirm_cancel": lambda run, holder: run.confirm_cancel(holder, NOW, None, Report()),
    "confirm_cancel, by the handler": lambda run, holder: run.confirm_cancel(
        holder, NOW, None, Report(), by_handler=True
    ),
}

# Then: the event and the status that it leaves, or the refusal's code -----------------------------

NOTHING = "nothing"
STALE = "stale_execution"
ENDED = "run_already_ended"
NOT_PENDING = "run_not_pending"
NOT_DUE = "run_not_due"
STARTED = "started → running"
CANCELED = "canceled → canceled"
DONE = "succeeded → succeeded"
EXPIRED = "attempt_timed_out → expired"
FAILED = "attempt_failed → failed"
FAILED_ONCE = "attempt_failed → pending"
LATE = "attempt_timed_out → pending"
LOST = "attempt_lost → pending"
DEADLINE = "start_deadline_passed → expired"

_IDLE = (STALE, STALE, STALE)
_OVER = (STALE, STALE, STALE, STALE)
_TAKEN = (NOT_PENDING, NOT_PENDING, NOT_PENDING, NOT_PENDING, NOT_PENDING, NOT_PENDING)
_NO_MATTER = (NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING)

THEN: dict[str, tuple[str, ...]] = {
    "request_cancel": (
        *(CANCELED, CANCELED, CANCELED),
        *("cancel_requested → running", NOTHING),
        *(NOTHING, ENDED, ENDED, ENDED),
    ),
    "expire_start": (DEADLINE, *_NO_MATTER),
    "expire_start, before the deadline": (NOTHING, *_NO_MATTER),
    "start": (STARTED, STARTED, STARTED, *_TAKEN),
    "start, before scheduledAt": (NOT_DUE, NOT_DUE, NOT_DUE, *_TAKEN),
    "start, after the start deadline": (NOT_DUE, STARTED, STARTED, *_TAKEN),
    "progress": (*_IDLE, "progressed → running", "progressed → running", *_OVER),
    "succeed": (*_IDLE, DONE, DONE, *_OVER),
    "fail": (*_IDLE, FAILED_ONCE, CANCELED, *_OVER),
    f"fail, {LAST}": (*_IDLE, FAILED, CANCELED, *_OVER),
    "fail, permanently": (*_IDLE, FAILED, CANCELED, *_OVER),
    "time_out": (*_IDLE, LATE, CANCELED, *_OVER),
    f"time_out, {LAST}": (*_IDLE, EXPIRED, CANCELED, *_OVER),
    "expire": (*_IDLE, EXPIRED, EXPIRED, *_OVER),
    "lose": (*_IDLE, LOST, CANCELED, *_OVER),
    f"lose, {LAST}": (*_IDLE, "attempt_lost → failed", CANCELED, *_OVER),
    "hand_back": (*_IDLE, "handed_back → pending", CANCELED, *_OVER),
    "confirm_cancel": (*_IDLE, "cancel_not_requested", CANCELED, *_OVER),
    "confirm_cancel, by the handler": (*_IDLE, CANCELED, CANCELED, *_OVER),
}

PAIRS = list(itertools.product(GIVEN, WHEN))


def outcome(state: str, command: str) -> str:
    """Return what a command does in a state: event and status, refusal, or nothing."""
    run, holder = GIVEN[state](0 if command.endswith(LAST) else 3)
    run.collect_events()
    before = dict(vars(run))
    try:
        WHEN[command](run, holder)
    except ConflictError as error:
        assert (run.pending_events, vars(run)) == ([], before), "a refused command changes nothing"
        return error.code
    new = new_topics(run)
    assert len(new) <= 1, "a command appends one event at most"
    return f"{new[0].removeprefix('job_run.')} → {run.status}" if new else NOTHING


@pytest.mark.parametrize(("state", "command"), PAIRS)
def test_a_command_in_a_state_does_what_the_table_says(state: str, command: str) -> None:
    assert outcome(state, command) == THEN[command][list(GIVEN).index(state)]


def test_the_table_has_every_pair() -> None:
    assert set(THEN) == set(WHEN)
    assert {len(row) for row in THEN.values()} == {len(GIVEN)}


def test_the_table_has_every_command_of_the_run() -> None:
    methods = inspect.getmembers(JobRun, inspect.isfunction)
    commands = {name for name, method in methods if "now" in inspect.signature(method).parameters}
    assert {command.partition(",")[0] for command in WHEN} == {
        name for name in commands if not name.startswith("_")
    }


def test_the_table_has_every_status() -> None:
    assert {GIVEN[state](0)[0].status for state in GIVEN} == set(STATUSES)


# The document says the same -----------------------------------------------------------------------

COLUMNS: dict[str, tuple[str, ...]] = {
    "pending": ("pending",),
    "pending again": ("pending after a retry", "pending after hand-back"),
    "running": ("running",),
    "cancel requested": ("running, cancel requested",),
    "canceled": ("canceled",),
    "otherwise ended": ("succeeded", "failed", "expired"),
}


def cells(line: str) -> list[str]:
    """Return the cells of a Markdown table's row."""
    return [cell.strip() for cell in line.replace("`", "").strip("| ").split("|")]


def documented() -> dict[tuple[str, str], str]:
    """Return the document's table of states and commands, by state and command."""
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    start = next(index for index, line in enumerate(lines) if cells(line) == ["command", *COLUMNS])
    table = itertools.takewhile(lambda line: line.startswith("|"), lines[start + 2 :])
    return {
        (state, command): cell
        for command, *row in map(cells, table)
        for column, cell in zip(COLUMNS, row, strict=True)
        for state in COLUMNS[column]
    }


def test_the_document_has_the_same_table() -> None:
    expected = {
        (state, command): THEN[command][list(GIVEN).index(state)] for state, command in PAIRS
    }
    assert documented() == expected
