"""Which of a page of ended runs are archived, and how far nothing is left behind."""

from datetime import datetime, timedelta

import pytest

from domain.clock import to_iso
from eventlog.archive.retention import EndedRun, GroupScan, select_due
from tests.unit.given import NOON

HOUR = timedelta(hours=1)
SEALED_TO = 100

ARCHIVED = "archived"
DUE = "due"
KEPT = "kept"
UNSEALED = "unsealed"
YOUNG = "young"
LEFT = "left"


def _run(kind: str, scan: int) -> EndedRun:
    created_at = NOON - 5 * HOUR
    completed_at = created_at
    if kind == KEPT:  # It was launched long ago, and took until just now.
        completed_at = NOON + HOUR
    if kind == YOUNG:
        created_at = completed_at = NOON
    return {
        "id": f"{kind}-{scan}",
        "created_position": scan,
        "position": SEALED_TO + 1 if kind == UNSEALED else scan,
        "created_at": to_iso(created_at),
        "completed_at": to_iso(completed_at),
        "is_archived": kind == ARCHIVED,
    }


PAGES: list[tuple[list[str], list[int], int | None, bool]] = [
    ([], [], None, False),
    ([DUE], [1], None, False),
    ([KEPT], [], None, False),
    ([UNSEALED], [], None, False),
    ([YOUNG], [], None, True),
    ([ARCHIVED], [], 1, False),
    ([LEFT], [], 1, False),
    ([ARCHIVED, LEFT, ARCHIVED], [], 3, False),
    ([ARCHIVED, DUE, ARCHIVED, DUE], [2, 4], 1, False),
    ([ARCHIVED, KEPT, DUE], [3], 1, False),
    ([DUE, UNSEALED, DUE], [1, 3], None, False),
    ([DUE, YOUNG, DUE], [1], None, True),
]


@pytest.mark.parametrize(("kinds", "due", "archived_to", "is_end"), PAGES)
def test_what_a_page_comes_to(
    *, kinds: list[str], due: list[int], archived_to: int | None, is_end: bool
) -> None:
    page = [_run(kind, scan) for scan, kind in enumerate(kinds, 1)]
    left = {run["id"] for run in page if run["id"].startswith(LEFT)}

    selection = select_due(page, NOON, SEALED_TO, left)

    assert [run["created_position"] for run in selection.due] == due
    assert selection.archived_to == archived_to
    assert selection.is_end is is_end
    assert selection.longest_due == (5 * HOUR if due else timedelta(0))


def _ended(completed_at: datetime) -> EndedRun:
    return {**_run(DUE, 1), "completed_at": to_iso(completed_at)}


@pytest.mark.parametrize(("late_ms", "is_due"), [(-1, True), (0, False), (1, False)])
def test_a_run_is_due_once_it_ended_before_the_moment(*, late_ms: int, is_due: bool) -> None:
    run = _ended(NOON + timedelta(milliseconds=late_ms))
    assert bool(select_due([run], NOON, SEALED_TO, ()).due) is is_due


MARKS: list[tuple[list[list[str]], int, int]] = [
    ([[ARCHIVED, ARCHIVED], [ARCHIVED, DUE]], 100, 3),
    ([[ARCHIVED, ARCHIVED], [ARCHIVED, DUE]], 2, 2),
    ([[ARCHIVED, DUE], [ARCHIVED, ARCHIVED]], 100, 1),
    ([[DUE, ARCHIVED], [ARCHIVED]], 100, 0),
    ([[ARCHIVED, ARCHIVED], []], 100, 2),
]


@pytest.mark.parametrize(("pages", "settled_to", "mark"), MARKS)
def test_the_mark_moves_over_what_is_archived_and_before_what_is_open(
    pages: list[list[str]], settled_to: int, mark: int
) -> None:
    scan = GroupScan(("job", "succeeded"), {"mark": 0, "settled_to": settled_to})
    first = 1
    for kinds in pages:
        page = [_run(kind, at) for at, kind in enumerate(kinds, first)]
        first += len(kinds)
        scan.advance(page, select_due(page, NOON, SEALED_TO, ()))
    assert scan.mark == mark
