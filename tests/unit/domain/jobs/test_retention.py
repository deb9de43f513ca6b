"""How long ended runs are kept, and when those that are not make a file."""

from datetime import timedelta

import pytest

from domain.jobs.policies import Retention
from domain.json_values import JsonObject
from eventlog.archive.retention import ENOUGH_RUNS, is_worth_a_file
from tests.unit.given import NOON

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)

KEPT: list[tuple[JsonObject | None, dict[str, timedelta]]] = [
    (None, {}),
    ({}, {}),
    ({"succeededMs": 0}, {"succeeded": timedelta(0)}),
    ({"failedMs": 86_400_000}, {"failed": DAY}),
    ({"canceledMs": 1, "expiredMs": None}, {"canceled": timedelta(milliseconds=1)}),
    ({"succeededMs": 3_600_000, "expiredMs": 86_400_000}, {"succeeded": HOUR, "expired": DAY}),
]


@pytest.mark.parametrize(("policy", "kept"), KEPT)
def test_each_outcome_is_kept_for_its_own_time(
    policy: JsonObject | None, kept: dict[str, timedelta]
) -> None:
    bounds = Retention.from_json(policy).ended_before(NOON)
    assert bounds == {status: NOON - time for status, time in kept.items()}


WORTH: list[tuple[int, timedelta, bool]] = [
    (0, timedelta(0), False),
    (0, 10 * DAY, False),
    (1, DAY - timedelta(milliseconds=1), False),
    (1, DAY, True),
    (ENOUGH_RUNS - 1, HOUR, False),
    (ENOUGH_RUNS, timedelta(0), True),
]


@pytest.mark.parametrize(("runs", "longest_due", "is_worth"), WORTH)
def test_few_runs_wait_for_others_but_not_for_ever(
    *, runs: int, longest_due: timedelta, is_worth: bool
) -> None:
    assert is_worth_a_file(runs, longest_due) is is_worth
