"""Each policy of overlap on real processes: what becomes of four ticks while a run goes on."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.support import register
from tests.support.processes import eventually, started

EVERY_MS = 1_000

TICKS = 4

AHEAD = timedelta(seconds=3)
"""Enough for a schedule to be created before its first tick."""

ENOUGH_S = 100.0

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What becomes of the ticks and their runs, as patterns of words, in the order of the ticks.

    A tick that is buffered and then launched is `buffered>launched`; of one that is skipped, the
    word is its reason.

    Attributes:
        held: the ticks, while each run goes on until it is canceled.
        held_runs: the runs then.
        ticks: the ticks once runs may end.
        runs: the runs at the end.
        takes_turns: whether no run starts before the one before it has ended.
    """

    held: str
    held_runs: str
    ticks: str
    runs: str
    takes_turns: bool = True


ALL_LAUNCHED = "launched launched launched launched"

ONE_AFTER_THE_OTHER = "launched( buffered>(launched|overlap)){2} buffered>launched"
"""Each waits for the canceled one to stop; if that takes long, the next takes its place."""

POLICIES = {
    "skip": Scenario(
        held="launched overlap overlap overlap",
        held_runs="running",
        ticks="launched overlap overlap overlap",
        runs="succeeded",
    ),
    "buffer_one": Scenario(
        held="launched buffered overlap overlap",
        held_runs="running",
        ticks="launched buffered>launched overlap overlap",
        runs="succeeded succeeded",
    ),
    "buffer_all": Scenario(
        held="launched buffered buffered buffered",
        held_runs="running",
        ticks="launched( buffered>launched){3}",
        runs="succeeded succeeded succeeded succeeded",
    ),
    "cancel_other": Scenario(
        held=ONE_AFTER_THE_OTHER,
        held_runs="(canceled ){1,3}running",
        ticks=ONE_AFTER_THE_OTHER,
        runs="(canceled ){1,3}succeeded",
    ),
    "terminate_other": Scenario(
        held=ALL_LAUNCHED,
        held_runs="canceled canceled canceled running",
        ticks=ALL_LAUNCHED,
        runs="canceled canceled canceled succeeded",
        takes_turns=False,
    ),
    "allow_all": Scenario(
        held=ALL_LAUNCHED,
        held_runs="running running running running",
        ticks=ALL_LAUNCHED,
        runs="succeeded succeeded succeeded succeeded",
        takes_turns=False,
    ),
}


@pytest.fixture
def worker(client: httpx.Client, database_url: str, tmp_path: Path) -> Iterator[None]:
    """Run a worker that has room for all that may run."""
    del client
    options = ("--handlers", "tests.support.handlers", "--slots", "16")
    command = ("worker", "--data-dir", str(tmp_path / "data"), *options)
    with started(*command, APPHUB_DATABASE_URL=database_url) as process:
        process.wait_for_line("is ready with", errors=True)
        yield


def _create(client: httpx.Client, overlap: str, over: Path) -> None:
    """Create a schedule of four ticks, whose runs go on until there is the file."""
    start_at = datetime.now(UTC) + AHEAD
    end_at = start_at + timedelta(milliseconds=EVERY_MS * (TICKS - 1))
    body = {
        "id": overlap,
        "job": "held",
        "parameters": {"lines": 0, "until": str(over)},
        "everyMs": EVERY_MS,
        "overlap": overlap,
        "startAt": start_at.isoformat(timespec="milliseconds"),
        "endAt": end_at.isoformat(timespec="milliseconds"),
    }
    answer = client.post("/schedules", json=body)
    assert answer.status_code == 201, answer.text


def _ticks(client: httpx.Client, overlap: str) -> list[Json]:
    answer = client.get(f"/schedules/{overlap}/ticks").raise_for_status()
    ticks: list[Json] = answer.json()["data"]
    return ticks


def _told(ticks: list[Json]) -> str:
    """Return what became of each tick, in their order."""
    words: dict[datetime, list[str]] = {}
    for tick in ticks:
        first = datetime.fromisoformat(tick["dueAt"])
        for number in range(tick["ticks"]):
            due_at = first + timedelta(milliseconds=EVERY_MS * number)
            words.setdefault(due_at, []).append(tick["reason"] or tick["outcome"])
    return " ".join(">".join(words[due_at]) for due_at in sorted(words))


def _runs(client: httpx.Client, ticks: list[Json]) -> list[Json]:
    """Return the runs that the ticks launched, in their order."""
    launched = [tick for tick in ticks if tick["outcome"] == "launched"]
    launched.sort(key=lambda tick: datetime.fromisoformat(tick["dueAt"]))
    decided: list[Json] = []
    for tick in launched:
        answer = client.get(f"/job-runs/{tick['runId']}").raise_for_status()
        decided.append(answer.json()["data"]["run"])
    return decided


def _seen(client: httpx.Client) -> dict[str, tuple[str, str]]:
    """Return each schedule's ticks and runs, in words."""
    seen: dict[str, tuple[str, str]] = {}
    for overlap in POLICIES:
        ticks = _ticks(client, overlap)
        statuses = " ".join(run["status"] for run in _runs(client, ticks))
        seen[overlap] = (_told(ticks), statuses)
    return seen


def _wait_for(client: httpx.Client, expected: dict[str, tuple[str, str]]) -> None:
    """Wait until ticks and runs are as these patterns say; fail with those that are not."""

    def differences() -> dict[str, tuple[str, str]]:
        return {
            overlap: words
            for overlap, words in _seen(client).items()
            if not all(map(re.fullmatch, expected[overlap], words))
        }

    try:
        eventually(lambda: not differences(), ENOUGH_S, "ticks and runs", longest_pause_s=0.5)
    except AssertionError:
        assert differences() == {}  # It shows them.


@pytest.mark.slow
@pytest.mark.usefixtures("worker")
def test_each_policy_does_with_four_ticks_what_its_row_says(
    client: httpx.Client, tmp_path: Path
) -> None:
    over = tmp_path / "over"
    register(client, "held", "test.count")
    for overlap in POLICIES:
        _create(client, overlap, over)
    held = {name: (one.held, one.held_runs) for name, one in POLICIES.items()}
    _wait_for(client, held)
    over.touch()
    _wait_for(client, {name: (one.ticks, one.runs) for name, one in POLICIES.items()})
    for overlap, scenario in POLICIES.items():
        runs = _runs(client, _ticks(client, overlap))
        took_turns = all(
            former["completedAt"] <= (run["startedAt"] or run["completedAt"])
            for former, run in pairwise(runs)
        )
        assert took_turns or not scenario.takes_turns, overlap
