"""What may be ordered of many runs at a time, and what is refused before anything starts."""

from typing import Any

import pytest

from domain.bulk import Order, order_conditions
from domain.errors import InvalidInputError


def order(action: Any, *words: str, patch: Any = None) -> Order:
    return Order(action=action, filter=words, reason="tidy up", patch=patch)


@pytest.mark.parametrize(
    ("action", "words", "statuses"),
    [
        ("cancel", ["all"], ("pending", "running")),
        ("cancel", ["job=report"], ("pending", "running")),
        ("cancel", ["status!=running"], ("pending",)),
        ("retry", ["job=report"], ("failed", "canceled", "expired")),
        ("retry", ["status=failed,pending"], ("failed",)),
        ("rerun", ["all"], ("succeeded", "failed", "canceled", "expired")),
        ("rerun", ["status=succeeded"], ("succeeded",)),
    ],
)
def test_an_order_is_about_runs_that_it_can_be_done_to(
    action: str, words: list[str], statuses: tuple[str, ...]
) -> None:
    assert order_conditions(order(action, *words)).statuses == statuses


@pytest.mark.parametrize(
    ("refused", "path", "message"),
    [
        (order("cancel"), "/filter", "means all runs"),
        (order("cancel", "status="), "/filter", "means all runs"),
        (order("cancel", "job=", "search="), "/filter", "means all runs"),
        (order("cancel", "job=", "status=pending"), "/filter/job", "has no value"),
        (order("retry", "job=a", "status!="), "/filter/status", "has no value"),
        (order("cancel", "all", "job=a"), "/filter/0", "NAME=VALUE"),
        (order("cancel", "stauts=failed"), "/filter/stauts", "did you mean status?"),
        (order("cancel", "status=failed"), "/filter/status", "pending, running"),
        (order("retry", "status=succeeded"), "/filter/status", "failed, canceled"),
        (order("rerun", "status=pending"), "/filter/status", "leaves no run"),
        (order("cancel", "job=a", patch={"n": 1}), "/patch", "leave it out"),
        (order("rerun", "status=failed", patch={"n": 1}), "/patch", "job=SLUG"),
        (order("rerun", "job!=a", patch={"n": 1}), "/patch", "job=SLUG"),
        (order("rerun", "job=a", patch={"n": "x" * 65_536}), "/patch", "at most 65536"),
    ],
)
def test_what_is_wrong_with_an_order_is_told(refused: Order, path: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        order_conditions(refused)
    [issue] = error.value.issues
    assert issue.path == path
    assert message in issue.message


def test_a_patch_goes_with_a_job() -> None:
    assert order_conditions(order("rerun", "job=a", patch={"n": "x" * 60_000})).jobs.included
