"""The database's clock is set by an hour while everything is at work: all goes by the present."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.clock import from_iso, to_iso
from tests.e2e.support import launch, register
from tests.support.logs import query
from tests.support.processes import eventually, started
from tests.support.stepped import SteppedClock

HOUR = timedelta(hours=1)

ENOUGH_S = 150.0
"""What waits for the clock to be where it was takes an hour."""

RETRIES = {"maxAttempts": 3, "strategy": "fixed", "initialDelayMs": 1_000}


@pytest.fixture
def clock(database_url: str) -> SteppedClock:
    """Give the clock of the test's database."""
    return SteppedClock(database_url)


@pytest.fixture
def service(clock: SteppedClock, tmp_path: Path) -> Iterator[httpx.Client]:
    """Run an API and a worker by that clock; give a client."""
    common = ("--data-dir", str(tmp_path / "data"))
    work = ("worker", *common, "--handlers", "tests.support.handlers")
    with (
        started("serve", "--port", "0", *common, APPHUB_DATABASE_URL=clock.url) as api,
        started(*work, APPHUB_DATABASE_URL=clock.url) as worker,
        httpx.Client(base_url=api.url(), timeout=90) as client,
    ):
        worker.wait_for_line("is ready with", errors=True)
        register(client, "ticked", "test.noop")
        often = {"id": "often", "job": "ticked", "everyMs": 1_000, "overlap": "allow_all"}
        client.post("/schedules", json=often).raise_for_status()
        yield client


def due_times(client: httpx.Client) -> list[str]:
    """Return when the ticks were due that have runs, in the order of their launch."""
    due: list[str] = []
    cursor: str | None = "0"
    while cursor is not None:
        settings: dict[str, str | int] = {"limit": 100, "cursor": cursor}
        page = client.get("/schedules/often/ticks", params=settings).json()
        due += [tick["dueAt"] for tick in page["data"] if tick["outcome"] == "launched"]
        cursor = page["meta"]["nextCursor"]
    return due


def wait_for_tick(client: httpx.Client, *, after: str = "", before: str = "9999") -> str:
    """Wait until a tick of this time has a run, and return the last one."""

    def last() -> str | None:
        return next((due for due in reversed(due_times(client)) if after < due < before), None)

    return str(eventually(last, ENOUGH_S, f"a tick from {after} to {before}", longest_pause_s=1))


def ended(client: httpx.Client, run_id: str) -> dict[str, Any]:
    """Wait for the end of a run."""

    def run() -> dict[str, Any] | None:
        schedule: dict[str, Any] = client.get(f"/job-runs/{run_id}").json()["data"]["run"]
        return schedule if schedule["completedAt"] else None

    body: dict[str, Any] = eventually(run, ENOUGH_S, f"the end of run {run_id}", longest_pause_s=1)
    return body


def test_after_a_step_back_of_an_hour_everything_goes_on(
    service: httpx.Client, clock: SteppedClock
) -> None:
    rate = {"limit": 1, "periodMs": 2_000}
    register(service, "failing", "test.fail", retryPolicy=RETRIES)
    register(service, "limited", "test.noop", rateLimit=rate)
    before = wait_for_tick(service)
    ended(service, launch(service, "limited"))
    clock.set(-HOUR)
    failing, limited = launch(service, "failing"), launch(service, "limited")
    assert ended(service, failing)["attempt"] == 3
    assert ended(service, limited)["status"] == "succeeded"
    wait_for_tick(service, before=before)
    assert set(Counter(due_times(service)).values()) == {1}


@pytest.mark.slow
def test_after_a_step_forward_and_back_nothing_is_launched_twice(
    service: httpx.Client, clock: SteppedClock
) -> None:
    """Most ticks of the hour between were missed; those that come again are launched after all."""
    before = wait_for_tick(service)
    clock.set(HOUR)
    half_an_hour_on = to_iso(from_iso(before) + HOUR / 2)
    ahead = wait_for_tick(service, after=half_an_hour_on)
    clock.set(timedelta())
    again = wait_for_tick(service, after=before, before=half_an_hour_on)
    wait_for_tick(service, after=again, before=half_an_hour_on)
    assert ahead > half_an_hour_on
    assert set(Counter(due_times(service)).values()) == {1}
    counted = query(clock.url, "SELECT count(*), count(DISTINCT context->>'dueAt') FROM job_runs")
    [[runs, ticks]] = counted
    assert runs == ticks
