"""Real processes of the service, started and stopped by tests."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx

from tests.support.forks.forked import start

READY_TIMEOUT_S = 60.0

MIN_PAUSE_S = 0.02


class Process:
    """`apphub-jobs` with some command; its output is gathered line by line."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        module: str = "cli",
        python: str = sys.executable,
        directory: Path | None = None,
    ) -> None:
        self.command = command
        # What a test leaves running at its end must not keep it for long.
        environment = {**without_settings(), "APPHUB_STOP_GRACE_S": "10", **env}
        self.popen = start(command, environment, module, python, directory)
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._changed = threading.Condition()
        self._gathering = [
            threading.Thread(target=self._gather, args=(stream, lines), daemon=True)
            for stream, lines in ((self.popen.stdout, self.lines), (self.popen.stderr, self.errors))
        ]
        for thread in self._gathering:
            thread.start()

    def _gather(self, stream: Any, lines: list[str]) -> None:
        with stream:
            for line in stream:
                with self._changed:
                    lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def wait_for_line(
        self, start: str, *, errors: bool = False, timeout_s: float = READY_TIMEOUT_S
    ) -> str:
        """Return the first line with this text; fail with all output if the process ends."""
        lines = self.errors if errors else self.lines
        deadline = monotonic() + timeout_s
        with self._changed:
            while True:
                match = next((line for line in lines if start in line), None)
                if match is not None:
                    return match
                if self.popen.poll() is not None or monotonic() > deadline:
                    break
                self._changed.wait(0.1)
        msg = f"no line {start!r} (exit code {self.popen.poll()}); it said:\n" + "\n".join(
            self.lines + self.errors
        )
        raise AssertionError(msg)

    def url(self) -> str:
        """Return the address of the line `ready …`."""
        return self.wait_for_line("ready ").split()[1]

    def completed(self, timeout_s: float = 120.0) -> "subprocess.CompletedProcess[str]":
        """Wait until the process ends by itself; return what it printed."""
        try:
            code = self.popen.wait(timeout_s)
        finally:
            self.kill_all()
        for thread in self._gathering:
            thread.join()
        stdout, stderr = (
            "".join(f"{line}\n" for line in lines) for lines in (self.lines, self.errors)
        )
        return subprocess.CompletedProcess(self.command, code, stdout, stderr)

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 60.0) -> int:
        """Signal the process, which may be frozen, and wait; one that stays is a failure."""
        if self.popen.poll() is None:
            self.popen.send_signal(number)
            self.popen.send_signal(signal.SIGCONT)
        try:
            return self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill_all()
            raise

    def kill_all(self) -> None:
        """Kill the process and everything below it, as a crash of the machine would."""
        for pid in [*descendants(self.popen.pid), self.popen.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.popen.wait(90)


def without_settings() -> dict[str, str]:
    """Return the environment of somebody who has told the service nothing."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("APPHUB_", "DATABASE_URL", "VIRTUAL_ENV"))
    }


@contextmanager
def started(*command: str, module: str = "cli", **env: str) -> Iterator[Process]:
    """Run `apphub-jobs` with a command; it is stopped afterwards, whatever happened."""
    process = Process(command, env, module)
    try:
        yield process
    finally:
        process.stop()


def run_to_end(*command: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run `apphub-jobs` with a command that ends by itself."""
    return Process(command, env).completed()


def descendants(pid: int) -> list[int]:
    """Return every process below this one."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        parents[int(text.split(" ", 1)[0])] = int(text.rpartition(")")[2].split()[1])
    pids = [pid]
    for above in pids:
        pids += [child for child, parent in parents.items() if parent == above]
    return pids[1:]


def eventually(
    condition: Any,
    timeout_s: float = 90.0,
    what: str = "the condition",
    *,
    longest_pause_s: float = 0.1,
) -> Any:
    """Return the condition's first true value; it is asked again until the time is over.

    The longer it takes, the more seldom it is asked: each question costs processes their time.
    """
    began = monotonic()
    while (waited_s := monotonic() - began) < timeout_s:
        value = condition()
        if value:
            return value
        sleep(min(max(MIN_PAUSE_S, waited_s / 10), longest_pause_s))
    msg = f"{what} did not come true within {timeout_s} s"
    raise AssertionError(msg)


def wait_for_run(
    client: httpx.Client, run_id: str, *statuses: str, timeout_s: float = 90.0
) -> dict[str, Any]:
    """Return the run once it has one of these statuses (any final one if none is given)."""
    expected = statuses or ("succeeded", "failed", "canceled", "expired")
    seen: dict[str, Any] = {}

    def ended() -> dict[str, Any] | None:
        seen.update(client.get(f"/job-runs/{run_id}").raise_for_status().json()["data"]["run"])
        return seen if seen["status"] in expected else None

    return dict(
        eventually(ended, timeout_s, f"run {run_id} becoming {expected}, last seen as {seen}")
    )
