"""Limits of jobs on real processes: how many start, and what the others are told to wait for."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.support import events, launch, register
from tests.support.processes import eventually, started, wait_for_run

HOUR_MS = 3_600_000

THRICE: dict[str, Any] = {"maxAttempts": 3, "strategy": "fixed", "initialDelayMs": 1}


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A job's limit, and what follows from it.

    Attributes:
        values: the parameter `k` of each of its runs; None is left out.
        starts: how many starts there are, for as long as nothing else happens.
        code: by which those that wait are explained, however many.
        handler: of `tests.support.handlers`, without its `test.`.
    """

    definition: dict[str, Any]
    values: Sequence[str | None]
    starts: int
    code: str
    handler: str = "noop"


def rate(limit: int, **more: Any) -> dict[str, Any]:
    """Return a limit of starts within an hour."""
    return {"rateLimit": {"limit": limit, "periodMs": HOUR_MS, **more}}


RATES: dict[str, Scenario] = {
    "all runs together": Scenario(definition=rate(2), values="aab", starts=2, code="rate_limited"),
    "each value for itself": Scenario(
        definition=rate(1, key="k"), values="aabb", starts=2, code="rate_limited"
    ),
    "runs without the value are free": Scenario(
        definition=rate(1, key="k"), values=[None, None, "a", "a"], starts=3, code="rate_limited"
    ),
    "retries count": Scenario(
        definition={**rate(2), "retryPolicy": THRICE},
        values="a",
        starts=2,
        code="rate_limited",
        handler="fail",
    ),
    "no more than may be": Scenario(
        definition=rate(9), values="abc", starts=3, code="rate_limited"
    ),
}

KEYED: dict[str, Any] = {"concurrencyKey": "k"}

TURNS: dict[str, Scenario] = {
    "one of each value": Scenario(
        definition=KEYED, values="aaab", starts=2, code="key_limit", handler="count"
    ),
    "two of each value": Scenario(
        definition={**KEYED, "concurrencyLimit": 2},
        values="aaab",
        starts=3,
        code="key_limit",
        handler="count",
    ),
    "runs without the value run beside": Scenario(
        definition={**KEYED, "concurrencyLimit": 2},
        values=[None, None, None],
        starts=3,
        code="key_limit",
        handler="count",
    ),
    "of the job's limit, too": Scenario(
        definition={**KEYED, "concurrencyLimit": 2, "maxConcurrentRuns": 2},
        values="aabb",
        starts=2,
        code="job_limit",
        handler="count",
    ),
}


@pytest.fixture
def workers(client: httpx.Client, database_url: str, tmp_path: Path) -> Iterator[None]:
    """Run two workers that have room for all that may start."""
    del client
    options = ("--handlers", "tests.support.handlers", "--slots", "16")
    command = ("worker", "--data-dir", str(tmp_path / "data"), *options)
    where = {"APPHUB_DATABASE_URL": database_url}
    with started(*command, **where) as first, started(*command, **where) as second:
        for one in (first, second):
            one.wait_for_line("is ready with", errors=True)
        yield


def _launched(client: httpx.Client, name: str, scenario: Scenario, **parameters: Any) -> list[str]:
    slug = name.replace(" ", "-").replace("'", "").replace(",", "")
    entry_point = f"test.{scenario.handler}"
    register(client, slug, entry_point, **scenario.definition)
    ids: list[str] = []
    for value in scenario.values:
        sent = parameters if value is None else {**parameters, "k": value}
        ids.append(launch(client, slug, parameters=sent))
    return ids


def _starts(client: httpx.Client, ids: Sequence[str]) -> int:
    topics = Counter(event["type"] for one in ids for event in events(client, one))
    return topics["job_run.started"]


def _waiting(client: httpx.Client, ids: Sequence[str]) -> set[str]:
    """Return what those that wait are told to wait for."""
    codes: set[str] = set()
    for one in ids:
        explanation = client.get(f"/job-runs/{one}/explain").raise_for_status().json()["data"]
        if explanation["status"] == "pending":
            codes.update(reason["code"] for reason in explanation["reasons"])
    return codes


def _difference(client: httpx.Client, ids: list[str], scenario: Scenario) -> str | None:
    """Return what is not as the scenario says, once all have started that may."""

    def all_started() -> bool:
        return _starts(client, ids) >= scenario.starts

    eventually(all_started, 100, f"{scenario.starts} starts of {scenario.definition}")

    def explained() -> bool:
        # An attempt that failed waits for its delay first.
        return "backing_off" not in _waiting(client, ids)

    eventually(explained, 100, "nothing backing off")
    waits = _waiting(client, ids)
    if waits and scenario.code not in waits:
        return f"they wait for {waits}"
    starts = _starts(client, ids)
    if starts != scenario.starts:
        return f"{starts} starts"
    return None


@pytest.mark.usefixtures("workers")
def test_as_many_start_as_the_tables_say_and_then_those_that_wait_for_others(
    client: httpx.Client, tmp_path: Path
) -> None:
    over = tmp_path / "over"
    held = {"lines": 0, "until": str(over)}
    scenarios = {**RATES, **TURNS}
    launched = {name: _launched(client, name, one, **held) for name, one in scenarios.items()}
    differences = {
        name: difference
        for name, ids in launched.items()
        if (difference := _difference(client, ids, scenarios[name]))
    }
    assert differences == {}
    over.touch()
    ended = [
        wait_for_run(client, one, timeout_s=100)["status"]
        for name in TURNS
        for one in launched[name]
    ]
    assert set(ended) == {"succeeded"}
