"""Whatever a handler does ends that attempt alone, and nothing outlives its worker's lease."""

import re
import signal
from pathlib import Path
from time import monotonic

import httpx
import pytest

from tests.e2e.support import launch, register, topics
from tests.support.logs import query
from tests.support.processes import Process, eventually, started, wait_for_run
from tests.support.slow import slow

WORKER = ("--handlers", "tests.support.handlers", "--lease-s", "2")


def _signs(file: Path) -> list[tuple[int, float]]:
    """Return who signed and when; a line counts once it is whole."""
    lines = file.read_text().splitlines(keepends=True) if file.exists() else []
    return [(int(line.split()[0]), float(line.split()[1])) for line in lines if line.endswith("\n")]


def _writers(file: Path) -> set[int]:
    return {pid for pid, _ in _signs(file)}


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_crashes_memory_and_output_end_one_attempt_alone(shared: httpx.Client) -> None:
    for name in ("segfault", "grow", "flood", "print_binary", "large_result"):
        more = {"resources": {"memoryMb": 150}} if name == "grow" else {}
        register(shared, name.replace("_", "-"), f"test.{name}", **more)
    ids = {
        name: launch(shared, name)
        for name in ("segfault", "grow", "flood", "print-binary", "large-result")
    }
    runs = {name: wait_for_run(shared, run_id, timeout_s=90) for name, run_id in ids.items()}
    outcomes = {name: (run["status"], run["failureReason"]) for name, run in runs.items()}
    assert outcomes == {
        "segfault": ("failed", "signal"),
        "grow": ("failed", "out_of_memory"),
        "flood": ("succeeded", None),
        "print-binary": ("succeeded", None),
        "large-result": ("failed", "invalid_result"),
    }
    assert "SIGSEGV" in runs["segfault"]["errorMessage"]
    assert "memoryMb" in runs["grow"]["errorMessage"]
    assert runs["grow"]["metrics"]["peakMemoryMb"] > 150
    flood = shared.get(runs["flood"]["logsUrl"]).content
    assert 10 * 1_048_576 <= len(flood) < 10 * 1_048_576 + 300
    assert b"output beyond 10485760 bytes is not kept" in flood
    assert bytes(range(11, 256)) in shared.get(runs["print-binary"]["logsUrl"]).content


def test_every_line_of_a_log_says_when_it_was_printed(shared: httpx.Client) -> None:
    register(shared, "timed", "test.echo")
    run = wait_for_run(shared, launch(shared, "timed"))
    lines = shared.get(run["logsUrl"]).text.splitlines()
    assert len(lines) == 2
    stamps = [re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}([Zz]) ", line) for line in lines]
    assert [stamp and stamp[1] for stamp in stamps] == ["Z", "z"]


def test_a_log_is_followed_live_until_the_attempt_is_over(shared: httpx.Client) -> None:
    register(shared, "followed", "test.wait")
    run_id = launch(shared, "followed", parameters={"forMs": 1_500})
    wait_for_run(shared, run_id, "running")
    with shared.stream("GET", f"/job-runs/{run_id}/logs", params={"follow": "true"}) as answer:
        lines = answer.iter_lines()
        assert next(lines).endswith("waiting")
        assert shared.get(f"/job-runs/{run_id}").json()["data"]["run"]["status"] == "running"
        assert list(lines) == []
    assert wait_for_run(shared, run_id)["status"] == "succeeded"


@pytest.mark.parametrize("end", ["returns", "is canceled"])
def test_a_daemon_that_a_handler_left_ends_with_its_attempt(
    shared: httpx.Client, tmp_path: Path, end: str
) -> None:
    file = tmp_path / "signs"
    tmp_path.chmod(0o777)
    slug = f"daemon-that-{end.replace(' ', '-')}"
    register(shared, slug, "test.leave_daemon")
    run_id = launch(
        shared, slug, parameters={"file": str(file), "forMs": 100 if end == "returns" else 60_000}
    )
    if end == "is canceled":
        wait_for_run(shared, run_id, "running")
        eventually(lambda: _writers(file), what="the daemon's first sign")
        shared.post(f"/job-runs/{run_id}/cancel").raise_for_status()
    wait_for_run(shared, run_id)
    assert all(_gone(pid) for pid in _writers(file))


@pytest.mark.parametrize("blow", [signal.SIGKILL, slow(signal.SIGSTOP)])
def test_nothing_of_an_attempt_runs_when_another_worker_starts_it_again(
    client: httpx.Client, api: Process, database_url: str, tmp_path: Path, blow: signal.Signals
) -> None:
    del api
    file = tmp_path / "signs"
    register(client, "daemon", "test.leave_daemon", retryPolicy={"maxAttempts": 2})
    arguments = ("worker", "--data-dir", str(tmp_path / "data"), *WORKER)
    with started(*arguments, APPHUB_DATABASE_URL=database_url) as first:
        run_id = launch(client, "daemon", parameters={"file": str(file), "forMs": 60_000})
        wait_for_run(client, run_id, "running")
        writers = eventually(lambda: _writers(file), what="the daemon's first sign")
        struck = monotonic()
        first.popen.send_signal(blow)
        with started(*arguments, APPHUB_DATABASE_URL=database_url):
            eventually(
                lambda: "attempt_lost" in topics(client, run_id), what="the run being recovered"
            )
            assert all(_gone(pid) for pid in writers)
            # By the kernel's common clock: the last sign of the first life lies within the lease.
            assert max(at for pid, at in _signs(file) if pid in writers) < struck + 2.5
            wait_for_run(client, run_id, "running")
            first.popen.send_signal(signal.SIGCONT)
            client.post(f"/job-runs/{run_id}/cancel").raise_for_status()
            assert wait_for_run(client, run_id)["status"] == "canceled"
        if blow == signal.SIGSTOP:
            [(workers,)] = query(database_url, "SELECT count(DISTINCT id) FROM workers")
            assert workers >= 2
            first.popen.send_signal(signal.SIGTERM)
            assert first.popen.wait(90) == 0


@pytest.mark.usefixtures("api")
def test_a_handler_holds_nothing_that_is_its_supervisors(
    client: httpx.Client, database_url: str, tmp_path: Path
) -> None:
    handlers = ("--handlers", "tests.support.handlers.isolation")
    register(client, "descriptors", "isolation.show_descriptors")
    with started(
        *("worker", "--data-dir", str(tmp_path / "data"), *handlers),
        APPHUB_DATABASE_URL=database_url,
    ) as worker:
        seen = wait_for_run(client, launch(client, "descriptors"))["result"]
        opened = {
            path.name: str(path.readlink())
            for path in Path(f"/proc/{seen['supervisor']}/fd").iterdir()
        }
        assert opened["2"] == str(Path(f"/proc/{worker.popen.pid}/fd/2").readlink())
        stdout, stdin, log = (opened.pop(name) for name in "012")
        # Also the supervisor has no second one of those that the worker takes for its own.
        assert not {stdout, stdin, log} & set(opened.values())
        assert not {stdout, stdin, log} & set(seen["own"].values())
    assert set(seen["child"]) == {"0", "1", "2"}
    assert seen["own"]["0"] == "/dev/null"
    # What it prints to, its lease, which it can only read, its tasks and its reports; the
    # others are its own figures in /proc.
    printed_to = {seen["own"]["1"], seen["own"]["2"]}
    others = [
        target
        for name, target in seen["own"].items()
        if name not in "012" and target not in printed_to
    ]
    assert len(printed_to) == 2
    assert [target.partition(":")[0] for target in others if not target.startswith("/proc/")] == [
        "/memfd",
        "pipe",
        "pipe",
    ]
