"""The page on the state machine says of each promise what its function says."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from projections.histories import bulk_rules as of_bulk_operations
from projections.histories import failure_rules as of_failures
from projections.histories import schedule_rules as of_schedules
from tests import ROOT

RULES: Sequence[Mapping[str, Sequence[Any]]] = (
    of_bulk_operations.RULES,
    of_failures.RULES,
    of_schedules.RULES,
)


@pytest.mark.parametrize("rules_by_topic", RULES)
def test_the_page_names_every_promise_as_its_docstring_does(
    rules_by_topic: Mapping[str, Sequence[Any]],
) -> None:
    page = (ROOT / "docs" / "state-machine.md").read_text(encoding="utf-8")
    documented = dict(re.findall(r"^\| `(\w+)` \| (.+\.) \|$", page, re.MULTILINE))
    for rules in rules_by_topic.values():
        for rule in rules:
            assert documented[rule.__name__] == rule.__doc__
