"""Fewer workers without redone work: what runs may end within the grace of a worker that stops."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.support import launch, register, topics, wait_for_words
from tests.support.processes import Process, eventually, run_to_end, started, wait_for_run

PATIENCE_S = 90.0

ONCE = ["requested", "started", "succeeded"]


@contextmanager
def _worker(database_url: str, tmp_path: Path, grace_s: float) -> Iterator[Process]:
    data_dir = ("--data-dir", str(tmp_path / "data"))
    options = ("--handlers", "tests.support.handlers", "--slots", "2")
    grace = ("--stop-grace-s", str(grace_s))
    with started(
        "worker", *data_dir, *options, *grace, APPHUB_DATABASE_URL=database_url
    ) as process:
        process.wait_for_line("is ready with", errors=True)
        yield process


def _launch(client: httpx.Client, slug: str, gate: Path) -> str:
    """Launch a run that ends once the gate is there, and wait until its handler runs."""
    run_id = launch(client, slug, parameters={"lines": 1, "until": str(gate)})
    wait_for_words(client, run_id, "line 000000")
    return run_id


def _states(client: httpx.Client) -> list[str]:
    return [worker["state"] for worker in client.get("/workers").json()["data"]]


def test_what_runs_ends_within_the_grace_and_nothing_more_begins(
    client: httpx.Client, database_url: str, tmp_path: Path
) -> None:
    register(client, "count", "test.count", maxConcurrentRuns=9)
    register(client, "beside", "test.count", isolation="shared")
    gates = [tmp_path / name for name in ("first", "second", "third")]
    with _worker(database_url, tmp_path, grace_s=600) as worker:
        slugs = ("count", "count", "beside")
        running = [_launch(client, *one) for one in zip(slugs, gates, strict=True)]
        waiting = launch(client, "count", parameters={"lines": 1, "until": str(gates[0])})

        worker.popen.send_signal(signal.SIGTERM)

        worker.wait_for_line("is stopping, and waits up to 600 s for 3 runs", errors=True)
        eventually(lambda: _states(client) == ["draining"], PATIENCE_S, "the worker is draining")
        gates[0].touch()
        wait_for_run(client, running[0], timeout_s=PATIENCE_S)
        worker.wait_for_line(" s for 2 runs", errors=True)
        late = launch(client, "count", parameters={"lines": 1, "until": str(gates[0])})
        for gate in gates:
            gate.touch()
        assert worker.popen.wait(PATIENCE_S) == 0
    assert not [line for line in worker.errors if "handing back" in line]
    assert [topics(client, run_id) for run_id in running] == [ONCE] * 3
    assert [topics(client, run_id) for run_id in (waiting, late)] == [["requested"]] * 2
    assert _states(client) == []


def test_what_outlasts_the_grace_runs_elsewhere_at_no_cost_of_an_attempt(
    client: httpx.Client, database_url: str, tmp_path: Path
) -> None:
    register(client, "count", "test.count", retryPolicy={"maxAttempts": 1})
    gate = tmp_path / "gate"
    with _worker(database_url, tmp_path, grace_s=0.5) as worker:
        run_id = _launch(client, "count", gate)
        worker.popen.send_signal(signal.SIGTERM)
        assert worker.popen.wait(PATIENCE_S) == 0
    worker.wait_for_line("handing back 1 run", errors=True)
    gate.touch()
    with _worker(database_url, tmp_path, grace_s=0.5):
        run = wait_for_run(client, run_id, timeout_s=PATIENCE_S)
    assert (run["status"], run["attempt"]) == ("succeeded", 1)
    assert topics(client, run_id) == ["requested", "started", "handed_back", *ONCE[1:]]


@pytest.mark.slow
def test_a_drain_waits_until_nothing_runs_with_the_database_alone(
    client: httpx.Client, database_url: str, tmp_path: Path
) -> None:
    register(client, "count", "test.count")
    gate = tmp_path / "gate"
    drain = ("workers", "drain")
    with _worker(database_url, tmp_path, grace_s=0) as worker:
        run_id = _launch(client, "count", gate)
        [one] = client.get("/workers").json()["data"]
        to = ("--url", str(client.base_url), "--wait-for", "100ms")
        gave_up = run_to_end(*drain, one["id"], *to)
        assert gave_up.returncode == 124, gave_up.stderr
        with started(*drain, "--here", "--wait", APPHUB_DATABASE_URL=database_url) as waiting:
            waiting.wait_for_line("waiting: 1 run is left", errors=True)
            assert waiting.popen.poll() is None
            gate.touch()
            assert waiting.popen.wait(PATIENCE_S) == 0
        assert worker.popen.wait(PATIENCE_S) == 0
    assert topics(client, run_id) == ONCE
    idle = run_to_end(*drain, "--here", "--wait", APPHUB_DATABASE_URL=database_url)
    assert (idle.returncode, idle.stdout) == (0, "")
    assert idle.stderr.endswith(" is alive\n")
