"""The guard of one attempt: a small process without user code between the worker and the handler's process.

It starts the handler's process, keeps its output, and ends it with every descendant: when its time is over, when the
worker says so, when the worker is gone, and when the worker's lease is over while the worker is frozen. As a subreaper
it inherits what the handler's descendants leave behind, so nothing can hide in a session of its own.

Run as a file, isolated and without site-packages: it starts quickly and imports nothing of ours. The
handler's process is started at once, ahead of its task, so that it has imported all it needs when the task comes.
Arguments: the descriptor for reports, then the command of the handler's process. Standard input: JSON lines, first the
order (log, limits, task), then `{"renew": deadline}`, `{"cancel": grace_s}` or `{"stop": true}`. Standard output: one
JSON line at the end, why and how the attempt ended. Deadlines are of CLOCK_MONOTONIC, which all processes of a host
share.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import select
import signal
import sys
import time
from contextlib import suppress

TYPE_CHECKING = False  # Type checkers know the name; importing typing would cost a third of the start.
if TYPE_CHECKING:
    from resource import struct_rusage

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

CHUNK_BYTES = 65_536

TICK_S = 0.1
"""How often memory is looked at, and the longest that a passed deadline goes unnoticed."""

MARKER = b"[the output beyond %d bytes is not kept]\n"

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Log:
    """The attempt's log: stamps each line, and keeps only so many bytes."""

    def __init__(self, path: str, limit: int) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        with suppress(OSError):  # Some file systems have no locks.
            fcntl.flock(self._file, fcntl.LOCK_EX)  # Tells whoever finds the file that it still grows.
        self._room = limit
        self._limit = limit
        self._at_line_start = True
        self._dropped = 0

    def add(self, output: bytes) -> None:
        """Keep what was printed, line by line."""
        if self._room <= 0:
            self._dropped += len(output)
            return
        stamp = _stamp()
        # Only the newline ends a line: progress bars return to its start a thousand times.
        *ended, rest = output.split(b"\n")
        lines = [line + b"\n" for line in ended] + ([rest] if rest else [])
        stamped = b"".join((stamp + line if index or self._at_line_start else line) for index, line in enumerate(lines))
        self._at_line_start = output.endswith(b"\n")
        kept, dropped = stamped[: self._room], stamped[self._room :]
        self._room -= len(kept)
        self._dropped += len(dropped)
        _write(self._file, kept)
        if self._room <= 0:
            _write(self._file, (b"" if kept.endswith(b"\n") else b"\n") + MARKER % self._limit)

    def close(self) -> None:
        """Say how much was left out, if any was."""
        if self._dropped:
            _write(self._file, b"[%d bytes were left out]\n" % self._dropped)
        os.close(self._file)


class Child:
    """The handler's process, waiting for its task."""

    def __init__(self, command: list[str], reports: int) -> None:
        reading, self._task = os.pipe()
        self.output, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            os.setpgid(0, 0)
            os.dup2(reading, 0)
            os.dup2(writing, 1)
            os.dup2(writing, 2)
            os.set_inheritable(reports, True)
            os.execv(command[0], [*command, str(reports)])  # noqa: S606 - the worker's own interpreter
        for descriptor in (reading, writing, reports):
            os.close(descriptor)

    def give(self, task: object) -> None:
        """Hand the task over: one line of standard input."""
        with suppress(BrokenPipeError):
            _write(self._task, json.dumps(task).encode() + b"\n")
        os.close(self._task)


class Supervisor:
    """Watches over one handler's process until nothing of it is left."""

    def __init__(self, child: Child, order: dict[str, object], control: bytes) -> None:
        self._log = Log(str(order["log"]), int(str(order["logLimitBytes"])))
        self._memory_limit = _number(order["memoryMb"])
        self._lease_until = _number(order["leaseUntil"]) or 0.0
        timeout_ms = _number(order["timeoutMs"])
        self._deadline = None if timeout_ms is None else time.monotonic() + timeout_ms / 1000
        self._cancel_until: float | None = None
        self._cause: str | None = None
        self._peak_mb = 0.0
        self._control = control
        self._output = child.output
        self._child = child.pid
        child.give(order["task"])

    def run(self) -> dict[str, object]:
        """Watch until the end; return how it was."""
        status, usage = self._watch()
        _kill_descendants()
        self._drain()
        self._log.close()
        code = os.waitstatus_to_exitcode(status)
        return {
            "cause": self._cause or ("signal" if code < 0 else "exit"),
            "code": code,
            "cpuSeconds": round(usage.ru_utime + usage.ru_stime, 3),
            "peakMemoryMb": round(max(self._peak_mb, usage.ru_maxrss / 1024), 1),
        }

    def _watch(self) -> tuple[int, struct_rusage]:
        poller = select.poll()
        poller.register(sys.stdin.fileno(), select.POLLIN)
        poller.register(self._output, select.POLLIN)
        while True:
            pid, status, usage = os.wait4(self._child, os.WNOHANG)
            if pid:
                return status, usage
            for descriptor, _ in poller.poll(TICK_S * 1000):
                if descriptor == self._output:
                    self._keep_output(poller)
                else:
                    self._obey(poller)
            self._check_limits()

    def _keep_output(self, poller: select.poll) -> None:
        output = os.read(self._output, CHUNK_BYTES)
        if output:
            self._log.add(output)
        else:
            poller.unregister(self._output)

    def _obey(self, poller: select.poll) -> None:
        """Read what the worker says; its silence for good means that it is gone."""
        received = os.read(sys.stdin.fileno(), CHUNK_BYTES)
        if not received:
            poller.unregister(sys.stdin.fileno())
            self._end("stopped")
            return
        *lines, self._control = (self._control + received).split(b"\n")
        for line in lines:
            command = json.loads(line)
            if "renew" in command:
                self._lease_until = command["renew"]
            elif "cancel" in command:
                self._cancel_until = time.monotonic() + command["cancel"]
                os.kill(self._child, signal.SIGTERM)
            else:
                self._end("stopped")

    def _check_limits(self) -> None:
        now = time.monotonic()
        if now > self._lease_until:
            self._end("lease")
        if self._deadline is not None and now >= self._deadline:
            self._end("timeout")
        if self._cancel_until is not None and now >= self._cancel_until:
            self._end("canceled")
        if self._memory_limit is not None:
            self._peak_mb = max(self._peak_mb, _memory_mb())
            if self._peak_mb > self._memory_limit:
                self._end("out_of_memory")

    def _end(self, cause: str) -> None:
        self._cause = self._cause or cause
        with suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGKILL)

    def _drain(self) -> None:
        os.set_blocking(self._output, False)
        with suppress(BlockingIOError):
            while output := os.read(self._output, CHUNK_BYTES):
                self._log.add(output)


def _descendants() -> list[int]:
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib would double the start's time
        if name.isdigit():
            with suppress(OSError):
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                    fields = file.read().rpartition(b")")[2].split()
                parents[int(name)] = int(fields[1])
    found = [os.getpid()]
    for above in found:
        found += [pid for pid, parent in parents.items() if parent == above]
    return found[1:]


def _kill_descendants() -> None:
    """Kill until the kernel says that no child is left; those that fork meanwhile become ours, and are next."""
    while True:
        for pid in _descendants():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.005)


def _memory_mb() -> float:
    pages = 0
    for pid in _descendants():
        with suppress(OSError, IndexError), open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123
            pages += int(file.read().split()[1])
    return pages * _PAGE_BYTES / 1_048_576


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value)


def _stamp() -> bytes:
    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)).encode() + b".%03dZ " % (now % 1 * 1000)


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _number(value: object) -> float | None:
    return None if value is None else float(str(value))


def main() -> None:
    """Start the handler's process, wait for the order, and guard the attempt."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    child = Child(sys.argv[2:], int(sys.argv[1]))
    received = b""
    while b"\n" not in received:
        chunk = os.read(sys.stdin.fileno(), CHUNK_BYTES)
        if not chunk:  # The worker is gone, or has no task for us.
            _kill_descendants()
            return
        received += chunk
    order, _, control = received.partition(b"\n")
    ended = Supervisor(child, json.loads(order), control).run()
    with suppress(BrokenPipeError):
        _write(sys.stdout.fileno(), json.dumps(ended).encode() + b"\n")


if __name__ == "__main__":
    main()
