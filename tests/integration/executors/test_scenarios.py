"""One table of scenarios for every executor: where it differs, the table says how, and why."""

import re
from pathlib import Path

import pytest

from tests.integration.executors.comparing import GRACE_S, compared
from tests.integration.executors.scenarios import SCENARIOS
from tests.support.packages import package_of
from worker.executors import shared_process
from worker.executors.local.executor import ProcessExecutor
from worker.executors.shared import SharedExecutor


async def test_every_way_to_end_is_seen_where_each_has_a_process(tmp_path: Path) -> None:
    where = ProcessExecutor(package_of("tests.support.handlers"), size=1)
    try:
        assert await compared(where, tmp_path) == ({}, [])
    finally:
        await where.aclose()
    assert len(SCENARIOS) > 25


async def test_every_way_to_end_is_seen_where_they_share_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_process, "TIMEOUT_GRACE_S", GRACE_S)
    where = SharedExecutor(package_of("tests.support.handlers"))
    try:
        differences, refused = await compared(where, tmp_path)
    finally:
        await where.aclose()
    assert differences == {}
    assert len(refused) == 1


def test_where_an_executor_differs_the_guide_says_why() -> None:
    guide = _words(Path("docs/executors.md").read_text())
    reasons = {one.instead.why for one in SCENARIOS.values() if one.instead}
    assert {why for why in reasons if _words(why) not in guide} == set()


def _words(text: str) -> str:
    return " ".join(re.findall(r"[\w']+", text.lower()))
