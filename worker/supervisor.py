"""The guard of attempts, one at a time: a small process without user code between the worker and handlers' process.

It starts the handlers' process, keeps what each attempt prints, and ends an attempt with every descendant: when its
time is over, when the worker says so, when the worker is gone, and when the worker's lease is over while the worker is
frozen. As a subreaper it inherits what an attempt's descendants leave behind, so nothing can hide in a session of its
own. An attempt that ended by itself and left nothing behind leaves its process to the next one; otherwise both end.

Run as a file, isolated and without site-packages: it starts quickly and imports next to nothing of ours. The handlers'
process is started at once, ahead of its first task, so that it has imported all it needs when the task comes.
Arguments: the descriptor for reports, then the command of the handlers' process. Standard input: JSON lines, for each
attempt first the order (log, limits, task), then `{"renew": deadline}`, `{"cancel": grace_s}` or `{"stop": true}`.
Standard output: a JSON line at each attempt's end, why and how it ended. Deadlines are of CLOCK_MONOTONIC, which all
processes of a host share.
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

sys.path.append(os.path.dirname(os.path.dirname(__file__)))  # noqa: PTH120 - isolated: nothing of ours is found yet

from worker.descendants import cpu_s, is_only_descendant, kill_descendants, memory_mb

TYPE_CHECKING = False  # Type checkers know the name; importing typing would cost a third of the start.
if TYPE_CHECKING:
    from resource import struct_rusage

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

CHUNK_BYTES = 65_536

TICK_S = 0.1
"""How often memory is looked at, and the longest that a passed deadline goes unnoticed."""

MARKER = b"[the output beyond %d bytes is not kept]\n"


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
    """The handlers' process: reads tasks, prints, and says when one is done."""

    def __init__(self, command: list[str], reports: int) -> None:
        tasks, self.tasks = os.pipe()
        os.set_blocking(self.tasks, False)
        self._rest = b""
        self.output, writing = os.pipe()
        self.done, saying_done = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            os.setpgid(0, 0)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(writing, 1)
            os.dup2(writing, 2)
            for descriptor in (tasks, reports, saying_done):
                os.set_inheritable(descriptor, True)
            arguments = [*command, str(tasks), str(reports), str(saying_done)]
            os.execv(command[0], arguments)  # noqa: S606 - the worker's own interpreter
        for descriptor in (tasks, writing, reports, saying_done):
            os.close(descriptor)

    def give(self, task: object) -> None:
        """Have a task, one line, ready to be handed over."""
        self._rest = json.dumps(task).encode() + b"\n"

    def give_on(self) -> bool:
        """Hand over what the pipe takes: a child may never read. Return whether there is nothing left to do."""
        try:
            self._rest = self._rest[os.write(self.tasks, self._rest) :]
        except OSError as error:  # The pipe is full, or nobody reads it any more.
            return isinstance(error, BrokenPipeError)
        return not self._rest


class Control:
    """What the worker says."""

    def __init__(self) -> None:
        self.descriptor = sys.stdin.fileno()
        self._received = b""

    def read(self) -> list[dict[str, object]] | None:
        """Return the commands that there are; None once the worker is gone for good."""
        chunk = os.read(self.descriptor, CHUNK_BYTES)
        if not chunk:
            return None
        *lines, self._received = (self._received + chunk).split(b"\n")
        return [json.loads(line) for line in lines]


class Attempt:
    """Watches over one attempt until nothing of it is left, but for a child that is fit for the next one."""

    def __init__(self, child: Child, control: Control, order: dict[str, object]) -> None:
        self._log = Log(str(order["log"]), int(str(order["logLimitBytes"])))
        self._memory_limit = _number(order["memoryMb"])
        self._lease_until = _number(order["leaseUntil"]) or 0.0
        timeout_ms = _number(order["timeoutMs"])
        self._deadline = None if timeout_ms is None else time.monotonic() + timeout_ms / 1000
        self._cancel_until: float | None = None
        self._cause: str | None = None
        self._peak_mb = 0.0
        self._control = control
        self._child = child
        self._done = b""
        self._cpu_before_s = cpu_s(child.pid)
        child.give(order["task"])

    def run(self, commands: list[dict[str, object]]) -> dict[str, object]:
        """Watch until the end; return how it was, and whether the child lives on."""
        self._obey(commands)
        status, usage = self._watch()
        said = json.loads(self._done) if usage is None else {}
        lives_on = bool(said.get("fit")) and is_only_descendant(self._child.pid)
        if not lives_on:
            kill_descendants()
        self._drain()
        self._log.close()
        code = os.waitstatus_to_exitcode(status)
        used_s = said["cpuSeconds"] if usage is None else usage.ru_utime + usage.ru_stime - self._cpu_before_s
        peak_mb = said["peakMemoryMb"] if usage is None else usage.ru_maxrss / 1024
        return {
            "cause": self._cause or ("signal" if code < 0 else "exit"),
            "code": code,
            "cpuSeconds": round(max(used_s, 0.0), 3),
            "peakMemoryMb": round(max(self._peak_mb, peak_mb), 1),
            "livesOn": lives_on,
        }

    def _watch(self) -> tuple[int, struct_rusage | None]:
        """Return the exit status and usage of a child that ended, (0, None) if it says that it is done."""
        poller = select.poll()
        poller.register(self._child.tasks, select.POLLOUT)
        for descriptor in (self._control.descriptor, self._child.output, self._child.done):
            poller.register(descriptor, select.POLLIN)
        while True:
            pid, status, usage = os.wait4(self._child.pid, os.WNOHANG)
            if pid:
                return status, usage
            if self._done.endswith(b"\n") and self._cause is None:
                return 0, None
            for descriptor, _ in poller.poll(TICK_S * 1000):
                self._heed(descriptor, poller)
            self._check_limits()

    def _heed(self, descriptor: int, poller: select.poll) -> None:
        if descriptor == self._control.descriptor:
            commands = self._control.read()
            if commands is None:  # The worker is gone.
                poller.unregister(descriptor)
                self._end("stopped")
            self._obey(commands or [])
            return
        if descriptor == self._child.tasks:
            if self._child.give_on():
                poller.unregister(descriptor)
            return
        chunk = os.read(descriptor, CHUNK_BYTES)
        if not chunk:
            poller.unregister(descriptor)
        elif descriptor == self._child.output:
            self._log.add(chunk)
        else:
            self._done += chunk

    def _obey(self, commands: list[dict[str, object]]) -> None:
        for command in commands:
            if "renew" in command:
                self._lease_until = _number(command["renew"]) or 0.0
            elif "cancel" in command:
                self._cancel_until = time.monotonic() + (_number(command["cancel"]) or 0.0)
                with suppress(ProcessLookupError):
                    os.kill(self._child.pid, signal.SIGTERM)
            elif "stop" in command:
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
            self._peak_mb = max(self._peak_mb, memory_mb())
            if self._peak_mb > self._memory_limit:
                self._end("out_of_memory")

    def _end(self, cause: str) -> None:
        self._cause = self._cause or cause
        with suppress(ProcessLookupError):
            os.kill(self._child.pid, signal.SIGKILL)

    def _drain(self) -> None:
        os.set_blocking(self._child.output, False)
        with suppress(BlockingIOError):
            while output := os.read(self._child.output, CHUNK_BYTES):
                self._log.add(output)
        os.set_blocking(self._child.output, True)


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


def _next_order(child: Child, control: Control) -> list[dict[str, object]]:
    """Wait for an order, with whatever was said in one breath; empty once the worker or the child is gone."""
    poller = select.poll()
    poller.register(control.descriptor, select.POLLIN)
    poller.register(child.done, select.POLLIN)
    while True:
        for descriptor, _ in poller.poll():
            commands = control.read() if descriptor == control.descriptor else None
            if commands is None:
                return []
            # What is no order was said to the attempt before, which had ended already.
            orders = [index for index, command in enumerate(commands) if "task" in command]
            if orders:
                return commands[orders[0] :]


def main() -> None:
    """Start the handlers' process, and guard one attempt after the other while it is fit for them."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    child, control = Child(sys.argv[2:], int(sys.argv[1])), Control()
    while commands := _next_order(child, control):
        ended = Attempt(child, control, commands[0]).run(commands[1:])
        with suppress(BrokenPipeError):
            _write(sys.stdout.fileno(), json.dumps(ended).encode() + b"\n")
        if not ended["livesOn"]:
            return
    kill_descendants()


if __name__ == "__main__":
    main()
