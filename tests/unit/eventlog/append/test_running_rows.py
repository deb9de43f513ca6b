"""A row is folded on without being read only if it certainly is the one in the table."""

from uuid import UUID, uuid4

import pytest

from domain.ports import Row
from eventlog.append import lookups
from eventlog.append.lookups import RunningRows


def _row(**changes: object) -> Row:
    row: dict[str, object] = {
        "status": "running",
        "worker_id": "w",
        "personal": None,
        "parameters": {},
        "aggregate_version": 2,
        "position": 7,
        "state1_version": 2,
        "state2_version": None,
    }
    return {**row, **changes}


def _remembered(row: Row) -> tuple[RunningRows, UUID]:
    rows, run_id = RunningRows(), uuid4()
    rows.remember({run_id: row})
    return rows, run_id


def test_a_running_run_is_kept_for_its_version_at_its_place_alone() -> None:
    rows, run_id = _remembered(_row())
    assert rows.row(run_id, 2, 7) == _row()
    assert rows.row(run_id, 3, 9) is None
    assert rows.row(run_id, 2, 8) is None


@pytest.mark.parametrize(
    "changes", [{"status": "pending"}, {"status": "succeeded"}, {"personal": {"key": ["name"]}}]
)
def test_what_waits_has_ended_or_can_be_erased_is_not_kept(changes: dict[str, object]) -> None:
    rows, run_id = _remembered(_row(**changes))
    assert not rows.has(run_id)


def test_what_was_read_in_part_is_not_kept() -> None:
    row = dict(_row())
    del row["parameters"]
    rows, run_id = _remembered(row)
    assert not rows.has(run_id)


def test_nothing_is_decided_by_a_row_that_an_older_version_has_moved_on() -> None:
    rows, run_id = _remembered(_row())
    assert rows.decisive_row(run_id) == _row()
    assert rows.decisive_row(uuid4()) is None
    rows, run_id = _remembered(_row(aggregate_version=3))
    assert rows.decisive_row(run_id) is None
    assert rows.has(run_id)


def test_a_run_that_ends_is_forgotten_and_so_is_all_with_a_connection() -> None:
    rows, run_id = _remembered(_row())
    rows.remember({run_id: _row(status="succeeded")})
    assert not rows.has(run_id)
    rows, run_id = _remembered(_row())
    rows.clear()
    assert not rows.has(run_id)


def test_a_build_that_runs_is_no_run() -> None:
    rows, build_id = RunningRows(), uuid4()
    rows.remember({build_id: {"status": "running", "aggregate_version": 2}})
    assert not rows.has(build_id)


def test_the_number_of_kept_rows_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "MAX_ROWS", 3)
    rows, ids = RunningRows(), [uuid4() for _ in range(5)]
    for run_id in ids:
        rows.remember({run_id: _row()})
    assert [rows.has(run_id) for run_id in ids] == [False, False, True, True, True]


def test_large_rows_are_kept_within_a_bound_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "MAX_ROW_BYTES", 5_000)
    rows, ids = RunningRows(), [uuid4() for _ in range(5)]
    for run_id in ids:
        rows.remember({run_id: _row(parameters={"a": "x" * 2_000})})
    assert [rows.has(run_id) for run_id in ids] == [False, False, False, True, True]
    # What has ended, or was noted again, counts no more.
    rows.remember({ids[3]: _row(status="succeeded")})
    for _ in range(3):
        rows.remember({ids[4]: _row()})
    rows.remember({ids[0]: _row(parameters={"a": "x" * 4_000})})
    assert [rows.has(run_id) for run_id in (ids[0], ids[4])] == [True, True]
