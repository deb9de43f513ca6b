"""The program of a supervisor: it starts a handlers' process and watches its attempts.

First the worker's commands (`Control`), then one attempt (`SupervisedAttempt`), then the program.
The attempt's log is in `log.py`, what concerns its processes in `descendants.py`.

The supervisor runs no user code. The handlers' process gets tasks from the worker and answers it
directly. The supervisor is notified of an attempt unless that ends within a moment, prints nothing
and leaves nothing behind. It writes the attempt's output to its log, and ends the attempt with all
its descendants: at the deadline, beyond the memory limit, or on the worker's command. It also ends
everything when the worker is gone, or when the lease is over because the worker is frozen. The
supervisor and the handlers' process are subreapers, so no descendant can escape by a session of its
own. If an attempt ends by itself and leaves nothing behind, the next one uses the same process.

It is run as a file, isolated and without site-packages, so that it starts fast; it imports almost
nothing of the service. It starts the handlers' process at once, so that this is ready for its first
task. Arguments: the descriptors for tasks, for reports and of the lease's end; then JSON with the
`view` of the file system that the handlers' process gets (`hiding.View`, or null) and the names of
variables that are `secret`; then the command of that process.

Standard input: JSON lines. `{"renew": time}` may come at any time. For each attempt, first comes
the order (`{"log": …}` and limits), then `{"cancel": grace_s}`, `{"stop": true}`, `{"deadline":
time}` or, once its process reports that it is done, `{"over": …}`. Standard output: a JSON line at
the end of each attempt that it was notified of. Times are those of CLOCK_MONOTONIC, which all
processes of a host share.
"""

from __future__ import annotations

import json
import math
import os
import select
import signal
import sys
import time
from contextlib import suppress

sys.path.append(__file__.rsplit("/", 4)[0])  # Isolated: the service is not in the path yet.

from worker.executors.local.descendants import (
    Child,
    become_supervisor,
    close_all_but,
    is_only_descendant,
    kill_descendants,
    memory_mb,
    reap_all_but,
)
from worker.executors.local.hiding import View
from worker.executors.local.log import STDERR, STDOUT, LogWriter, OutputStreams
from worker.executors.local.masking import find_secrets

# Type checkers know the name; importing typing would cost a third of the start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from resource import struct_rusage


CHUNK_BYTES = 65_536

MAX_POLL_S = 3_600.0
"""The longest wait at a time: the system's timer accepts a few weeks at most."""


class Control:
    """The worker's commands, and its lease.

    Attributes:
        descriptor: standard input, from which commands are read.
        lease_until: the end of the lease, by the monotonic clock.
    """

    def __init__(self) -> None:
        self.descriptor = sys.stdin.fileno()
        self.lease_until = math.inf
        self._received = b""

    def read(self) -> list[dict[str, object]] | None:
        """Return the commands that have arrived; None once the worker is gone."""
        chunk = os.read(self.descriptor, CHUNK_BYTES)
        if not chunk:
            return None
        *lines, self._received = (self._received + chunk).split(b"\n")
        commands: list[dict[str, object]] = [json.loads(line) for line in lines]
        for command in commands:
            if "renew" in command:
                self.lease_until = parse_number(command["renew"]) or 0.0
        return commands

    def wait_for_order(self) -> list[dict[str, object]]:
        """Wait for the order of the next attempt that is to be watched.

        Returns:
            The order, and the commands that arrived after it; nothing if the worker is gone or the
            lease is over.
        """
        poller = select.poll()
        poller.register(self.descriptor, select.POLLIN)
        while not self.lease_is_over:
            remaining_s = max(0.0, self.lease_until - time.monotonic())
            if not poller.poll(min(remaining_s, MAX_POLL_S) * 1000 + 1):
                continue
            commands = self.read()
            if commands is None:
                break
            # Commands before the order were sent to the previous attempt before its end was known.
            for index, command in enumerate(commands):
                if "log" in command:
                    return commands[index:]
        return []

    @property
    def lease_is_over(self) -> bool:
        """Whether the lease is over, so that other workers may take over the runs."""
        return time.monotonic() > self.lease_until


def parse_number(value: object) -> float | None:
    """Return a JSON number, or null, as a float or None."""
    return None if value is None else float(str(value))


TICK_S = 0.1
"""How often memory and deadlines are checked."""


class SupervisedAttempt:
    """Watches one attempt until it is over and, unless its process can be reused, all is killed.

        running -> done, as its process has reported -> over: the process is reused if it is fit
        running -> ended by itself                   -> over: all descendants are killed
        running or done -> killed, for a cause       -> over: all descendants are killed

    Only the first cause counts.
    """

    def __init__(
        self, child: Child, control: Control, order: dict[str, object], secrets: list[str]
    ) -> None:
        limit = int(str(order["logLimitBytes"]))
        self._log = LogWriter(str(order["log"]), limit, secrets)
        self._memory_limit_mb = parse_number(order["memoryMb"])
        self._deadline = parse_number(order["deadline"])
        self._cpu_before_s = parse_number(order["cpuBefore"]) or 0.0
        self._cancel_until: float | None = None
        self._cause: str | None = None
        self._peak_mb = 0.0
        self._control = control
        self._child = child
        self._done_report: dict[str, object] | None = None
        self._streams = OutputStreams()
        self._open_pipes = {child.output, child.errors}
        self._poller = select.poll()
        for descriptor in (control.descriptor, child.ended, *self._open_pipes):
            self._poller.register(descriptor, select.POLLIN)
        for pipe in self._open_pipes:
            os.set_blocking(pipe, False)

    def run(self, commands: list[dict[str, object]]) -> dict[str, object]:
        """Watch until the end; return the message about it for the worker.

        Args:
            commands: those that arrived together with the order.
        """
        self._execute(commands)
        status, usage = self._watch()
        is_reusable = usage is None and self._is_child_reusable()
        if not is_reusable:
            kill_descendants()
        self._log_remaining_output()
        log_lost = self._log.close()
        code = os.waitstatus_to_exitcode(status)
        cpu_s, peak_mb = self._measure(usage)
        return {
            "cause": self._cause or ("signal" if code < 0 else "exit"),
            "code": code,
            "cpuSeconds": round(max(cpu_s, 0.0), 3),
            "peakMemoryMb": round(max(self._peak_mb, peak_mb), 1),
            "livesOn": is_reusable,
            "logLost": log_lost,
        }

    def _watch(self) -> tuple[int, struct_rusage | None]:
        """Wait for the end; return the child's status and usage, or (0, None) if it still runs."""
        while True:
            pid, status, usage = os.wait4(self._child.pid, os.WNOHANG)
            if pid:
                return status, usage
            if self._done_report is not None and self._cause is None:
                return 0, None
            for pipe in self._open_pipes:
                # Processes that print wait while the disk does not keep up.
                self._poller.modify(pipe, select.POLLIN if self._log.has_capacity else 0)
            for descriptor, _ in self._poller.poll(TICK_S * 1000):
                self._handle(descriptor)
            self._check_limits()

    def _handle(self, descriptor: int) -> None:
        if descriptor == self._control.descriptor:
            commands = self._control.read()
            if commands is None:  # The worker is gone.
                self._poller.unregister(descriptor)
                self._end("stopped")
            self._execute(commands or [])
        elif descriptor in (self._child.output, self._child.errors):
            self._copy_output()
        else:
            # A child has ended. Only this process can reap the orphans that it has adopted.
            os.read(descriptor, CHUNK_BYTES)
            reap_all_but(self._child.pid)

    def _execute(self, commands: list[dict[str, object]]) -> None:
        for command in commands:
            match command:
                case {"cancel": grace_s}:
                    self._cancel_until = time.monotonic() + (parse_number(grace_s) or 0.0)
                    self._signal(signal.SIGTERM)
                case {"stop": _}:
                    self._end("stopped")
                case {"deadline": deadline}:
                    self._deadline = parse_number(deadline)
                case {"over": dict(report)}:
                    self._done_report = report

    def _check_limits(self) -> None:
        now = time.monotonic()
        if self._control.lease_is_over:
            self._end("lease")
        if self._deadline is not None and now >= self._deadline:
            self._end("timeout")
        if self._cancel_until is not None and now >= self._cancel_until:
            self._end("canceled")
        if self._memory_limit_mb is not None:
            self._peak_mb = max(self._peak_mb, memory_mb())
            if self._peak_mb > self._memory_limit_mb:
                self._end("out_of_memory")

    def _end(self, cause: str) -> None:
        """Kill the child."""
        self._cause = self._cause or cause
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._child.pid, number)

    def _copy_output(self) -> bool:
        """Log what was printed since the last call; return whether anything was.

        Standard error is read first and logged last, so that it is logged after the standard output
        that was printed before it.
        """
        errors = self._read(self._child.errors)
        output = self._read(self._child.output)
        self._log.add(*self._streams.split(output), (errors, STDERR))
        return bool(errors or output)

    def _read(self, pipe: int) -> bytes:
        """Return the present content of a pipe."""
        if pipe not in self._open_pipes:
            return b""
        try:
            content = os.read(pipe, CHUNK_BYTES)
        except BlockingIOError:
            return b""
        if not content:
            self._open_pipes.remove(pipe)
            self._poller.unregister(pipe)
        return content

    def _log_remaining_output(self) -> None:
        while self._copy_output():
            pass
        self._log.add((self._streams.flush(), STDOUT))

    def _is_child_reusable(self) -> bool:
        """Return whether a child that is done with its attempt can run another one."""
        if self._done_report is None or not self._done_report.get("fit"):
            return False
        return is_only_descendant(self._child.pid)

    def _measure(self, usage: struct_rusage | None) -> tuple[float, float]:
        """Return the attempt's processor time in seconds and its peak memory in MB.

        Args:
            usage: the usage of a child that has ended; None if it reported its usage itself.
        """
        if usage is not None:
            total_s = usage.ru_utime + usage.ru_stime
            return total_s - self._cpu_before_s, usage.ru_maxrss / 1024
        report = self._done_report or {}
        cpu_s = parse_number(report["cpuSeconds"]) or 0.0
        return cpu_s, parse_number(report["peakMemoryMb"]) or 0.0


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        written = os.write(descriptor, view)
        view = view[written:]


def main() -> None:
    """Start the handlers' process, and watch its attempts until it can run no more of them."""
    inherited = [int(descriptor) for descriptor in sys.argv[1:4]]
    # Other copies of the worker's pipes may have been inherited from its event loop.
    close_all_but(0, 1, 2, *inherited)
    become_supervisor()
    # Only the worker ends it: a signal to all processes of a service must not leave its attempts.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    options_text, *command = sys.argv[4:]
    options = json.loads(options_text)
    view = View(**options["view"]) if options["view"] is not None else None
    secrets = find_secrets(os.environ, options["secret"])
    child = Child(command, inherited, view)
    try:
        _watch_attempts(child, Control(), secrets)
    except BaseException:
        # Whatever the error, no other process would kill them.
        kill_descendants()
        raise


def _watch_attempts(child: Child, control: Control, secrets: list[str]) -> None:
    """Watch attempts until one ends its process, or the worker is gone; then no process is left."""
    while commands := control.wait_for_order():
        order, *later_commands = commands
        end = SupervisedAttempt(child, control, order, secrets).run(later_commands)
        with suppress(BrokenPipeError):
            _write(sys.stdout.fileno(), f"{json.dumps(end)}\n".encode())
        if not end["livesOn"]:
            return
    kill_descendants()


if __name__ == "__main__":
    main()
