"""Compares what an executor does with what the table of scenarios says."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any

from tests.integration.executors.scenarios import SCENARIOS, Scenario, expected
from tests.support.handlers.tasks import printed, task_of
from worker.executors.port import Attempt, Executor, Outcome

GRACE_S = 0.2
"""For handlers that must be killed; those that stop by themselves have time to."""

TIME_TO_STOP_S = 60.0


async def compared(where: Executor, directory: Path) -> tuple[dict[str, str], list[str]]:
    """Return what is not as is expected of what it can do, and of which scenarios nothing is."""
    differences: dict[str, str] = {}
    refused: list[str] = []
    for number, (title, scenario) in enumerate(SCENARIOS.items()):
        expectation = expected(scenario, where.capabilities)
        if expectation is None:
            refused.append(title)
            continue
        difference = await _difference(where, expectation, directory / str(number))
        if difference is not None:
            differences[title] = difference
    return differences, refused


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
    while True:
        attempt = await where.submit(task, updates.append, monotonic() + 60)
        if scenario.is_canceled and await has_printed(attempt, log):
            attempt.cancel(GRACE_S if scenario.kind == "canceled" else TIME_TO_STOP_S)
        outcome = await asyncio.wait_for(attempt.outcome(), 90)
        if not found_no_place(outcome):
            return _wrong(scenario, outcome, log)


async def has_printed(attempt: Attempt, log: Path) -> bool:
    """Wait until an attempt has printed something, or is over."""
    printing = asyncio.create_task(printed(log))
    ending = asyncio.create_task(attempt.outcome())
    await asyncio.wait([printing, ending], return_when=asyncio.FIRST_COMPLETED)
    if printing.done():
        return True
    printing.cancel()
    return False


def found_no_place(outcome: Outcome) -> bool:
    """Return whether a run would be handed back, and start again.

    Where all processors are busy, Ray may take longer to start than an attempt waits.
    """
    message = str(outcome.message.get("message"))
    return outcome.kind == "stopped" and "found no place on Ray" in message


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
