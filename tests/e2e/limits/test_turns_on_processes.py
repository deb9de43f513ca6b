"""In which order runs start on real workers where values take turns, or do not."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.support import events, launch, register
from tests.support.processes import started, wait_for_run

FAIR: dict[str, Any] = {"fairnessKey": "k"}


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Runs that wait before there is a worker, and the order in which they start.

    Attributes:
        definition: of their job.
        runs: as they are launched: the parameter `k` of each, `-` for none, and perhaps a priority.
        starts: places among `runs`, from 0.
    """

    runs: Sequence[str]
    starts: Sequence[int]
    definition: dict[str, Any] = field(default_factory=lambda: FAIR)


SCENARIOS: dict[str, Scenario] = {
    "no turns": Scenario(definition={}, runs="aaaab", starts=[0, 1, 2, 3, 4]),
    "a flood": Scenario(runs="aaaaabcb", starts=[0, 5, 6, 1, 7, 2, 3, 4]),
    "in the circle's order": Scenario(runs="cbabca", starts=[2, 1, 0, 5, 3, 4]),
    "one at a time": Scenario(
        definition={**FAIR, "maxConcurrentRuns": 1}, runs="aaab", starts=[0, 3, 1, 2]
    ),
    "one of each value": Scenario(
        definition={**FAIR, "concurrencyKey": "k"}, runs="aab", starts=[0, 2, 1]
    ),
    "no value is one, too": Scenario(runs="--a-b", starts=[0, 2, 4, 1, 3]),
    "at equal priority": Scenario(runs=["a", "a1", "a1", "b"], starts=[1, 2, 0, 3]),
}


def _launched(client: httpx.Client, slug: str, scenario: Scenario) -> list[str]:
    register(client, slug, "test.noop", **scenario.definition)
    ids: list[str] = []
    for one in scenario.runs:
        value, priority = one[0], int(one[1:] or 0)
        parameters = {} if value == "-" else {"k": value}
        ids.append(launch(client, slug, parameters=parameters, priority=priority))
    return ids


def _starts(client: httpx.Client, ids: Sequence[str]) -> list[int]:
    """Return which of the runs started, in the order of the log."""
    positions: dict[int, int] = {}
    for number, run_id in enumerate(ids):
        for event in events(client, run_id):
            if event["type"] == "job_run.started":
                positions[event["position"]] = number
    return [positions[position] for position in sorted(positions)]


def test_runs_start_in_the_order_that_the_table_says(
    client: httpx.Client, database_url: str, tmp_path: Path
) -> None:
    launched = {
        name: _launched(client, f"turns-{number}", scenario)
        for number, (name, scenario) in enumerate(SCENARIOS.items())
    }
    common = ("worker", "--data-dir", str(tmp_path / "data"))
    work = (*common, "--handlers", "tests.support.handlers", "--slots", "2")
    where = {"APPHUB_DATABASE_URL": database_url}
    with started(*work, **where), started(*work, **where):
        for ids in launched.values():
            for run_id in ids:
                wait_for_run(client, run_id, "succeeded", timeout_s=100)
    starts = {name: _starts(client, ids) for name, ids in launched.items()}
    assert starts == {name: one.starts for name, one in SCENARIOS.items()}
