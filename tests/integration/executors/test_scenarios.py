"""One table of scenarios for every executor: where it differs, the table says how, and why."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.integration.executors.scenarios import SCENARIOS, Scenario, where_shared
from tests.support.handlers.tasks import printed, task_of
from tests.support.packages import package_of
from worker.executors.local.executor import ProcessExecutor
from worker.executors.port import Executor, Outcome
from worker.executors.shared import attempt as shared_attempt
from worker.executors.shared.executor import SharedExecutor

GRACE_S = 0.2


def executor(name: str) -> Executor:
    """Return an executor for the tests' handlers."""
    packages = package_of("tests.support.handlers")
    if name == "shared":
        return SharedExecutor(packages)
    return ProcessExecutor(packages, size=1)


@pytest.mark.parametrize("name", ["local", "shared"])
async def test_every_way_to_end_is_seen_in_every_executor(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_attempt, "TIMEOUT_GRACE_S", GRACE_S)
    where = executor(name)
    differences: dict[str, str] = {}
    refused: list[str] = []
    try:
        for number, (title, scenario) in enumerate(SCENARIOS.items()):
            expected: Scenario | None = scenario
            if name == "shared":
                expected = where_shared(scenario)
            if expected is None:
                refused.append(title)
                continue
            difference = await _difference(where, expected, tmp_path / str(number))
            if difference is not None:
                differences[title] = difference
    finally:
        await where.aclose()
    assert differences == {}
    assert (len(refused) == 0) is (name == "local")
    assert len(SCENARIOS) > 25


def test_where_an_executor_differs_the_guide_says_why() -> None:
    guide = _words(Path("docs/executors.md").read_text())
    reasons = {one.instead.why for one in SCENARIOS.values() if one.instead}
    assert {why for why in reasons if _words(why) not in guide} == set()


def _words(text: str) -> str:
    return " ".join(re.findall(r"[\w']+", text.lower()))


async def _difference(where: Executor, scenario: Scenario, log: Path) -> str | None:
    """Return what is not as the scenario says."""
    updates: list[Mapping[str, Any]] = []
    task = task_of(
        scenario.handler,
        log,
        timeout_ms=scenario.timeout_ms,
        memory_mb=scenario.memory_mb,
        **scenario.parameters,
    )
    attempt = await where.submit(task, updates.append, monotonic() + 60)
    if scenario.is_canceled:
        await printed(log)
        attempt.cancel(GRACE_S)
    outcome = await asyncio.wait_for(attempt.outcome(), 30)
    return _wrong(scenario, outcome, log)


def _wrong(scenario: Scenario, outcome: Outcome, log: Path) -> str | None:
    if outcome.kind != scenario.kind:
        return f"it ended as {outcome.kind}: {str(outcome.message)[:500]}"
    result = outcome.message.get("result")
    if scenario.result is not ... and result != scenario.result:
        return f"the result is {str(result)[:500]}"
    if scenario.message not in str(outcome.message.get("message")):
        return f"it said {outcome.message}"
    kept = ""
    if log.exists():
        kept = log.read_text(errors="replace")
    if scenario.log not in kept:
        return f"the log is {kept[:500]}"
    return None
