"""The supervisor of attempts, one at a time: beside the handlers' process, without user code.

It starts the handlers' process, which takes tasks from the worker and answers it directly. Of an
attempt that is over in a moment, prints nothing and leaves nothing behind, the supervisor need not
hear; of every other it is told. Then it keeps what is printed, and ends the attempt with every
descendant: when its time is over, beyond its memory, and when the worker says so. In any case it
ends everything when the worker is gone, and when the worker's lease is over while the worker is
frozen. It and the handlers' process are subreapers, so nothing can hide in a session of its own. An
attempt that ended by itself and left nothing behind leaves its process to the next one.

Run as a file, isolated and without site-packages: it starts quickly and imports next to nothing of
ours. The handlers' process is started at once, so that it is ready when its first task comes.
Arguments: the descriptors for tasks, for reports and of the lease's end, JSON with the handlers'
process's `view` of the file system (`hiding.View`, or null) and the variables that are `secret`,
then its command.
Standard input: JSON lines, `{"renew": moment}` at any time, and of an attempt first the order
(`{"log": …}` and limits), then `{"cancel": grace_s}`, `{"stop": true}`, `{"deadline": moment}` or,
once its process says that it is done, `{"over": …}`. Standard output: a JSON line at the end of
each attempt of which it was told. Moments are of CLOCK_MONOTONIC, which a host's processes share.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from contextlib import suppress

sys.path.append(__file__.rsplit("/", 5)[0])  # Isolated: nothing of ours is found yet.

from worker.executors.local.supervision.control import (
    CHUNK_BYTES,
    Control,
    next_order,
    number,
)
from worker.executors.local.supervision.descendants import (
    clear_away_all_but,
    is_only_descendant,
    kill_descendants,
    memory_mb,
    woken_by_children,
)
from worker.executors.local.supervision.hiding import View
from worker.executors.local.supervision.log_writer import LogWriter
from worker.executors.local.supervision.masking import secrets_in
from worker.executors.local.supervision.spawn import (
    Child,
    become_supervisor,
    close_all_but,
)

# Type checkers know the name; importing typing would cost a third of the start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from resource import struct_rusage

TICK_S = 0.1
"""How often memory is looked at, and the longest that a passed deadline goes unnoticed."""


class Attempt:
    """Watches over one attempt until nothing of it is left but a child that is fit for the next."""

    def __init__(
        self,
        child: Child,
        control: Control,
        order: dict[str, object],
        secrets: list[str],
    ) -> None:
        limit = int(str(order["logLimitBytes"]))
        self._log = LogWriter(str(order["log"]), limit, secrets)
        self._memory_limit = number(order["memoryMb"])
        self._deadline = number(order["deadline"])
        self._cpu_before_s = number(order["cpuBefore"]) or 0.0
        self._cancel_until: float | None = None
        self._cause: str | None = None
        self._peak_mb = 0.0
        self._control = control
        self._child = child
        self._over: dict[str, object] | None = None
        self._prints = True

    def run(self, commands: list[dict[str, object]], woken: int) -> dict[str, object]:
        """Watch until the end; return how it was, and whether the child lives on."""
        self._obey(commands)
        status, usage = self._watch(woken)
        lives_on = usage is None and self._is_fit()
        if not lives_on:
            kill_descendants()
        self._drain()
        log_lost = self._log.close()
        code = os.waitstatus_to_exitcode(status)
        used_s, peak_mb = self._used(usage)
        return {
            "cause": self._cause or _cause_of(code),
            "code": code,
            "cpuSeconds": round(max(used_s, 0.0), 3),
            "peakMemoryMb": round(max(self._peak_mb, peak_mb), 1),
            "livesOn": lives_on,
            "logLost": log_lost,
        }

    def _is_fit(self) -> bool:
        """Return whether a child that is done with its attempt is fit for another one."""
        if self._over is None or not self._over.get("fit"):
            return False
        return is_only_descendant(self._child.pid)

    def _used(self, usage: struct_rusage | None) -> tuple[float, float]:
        """Return the attempt's seconds of processor and MB, as the kernel says, else the child."""
        if usage is not None:
            total_s = usage.ru_utime + usage.ru_stime
            return total_s - self._cpu_before_s, usage.ru_maxrss / 1024
        said = self._over or {}
        used_s = number(said["cpuSeconds"]) or 0.0
        peak_mb = number(said["peakMemoryMb"]) or 0.0
        return used_s, peak_mb

    def _watch(self, woken: int) -> tuple[int, struct_rusage | None]:
        """Return status and usage of a child that ended; (0, None) if it says that it is done."""
        poller = select.poll()
        for descriptor in (self._control.descriptor, woken):
            poller.register(descriptor, select.POLLIN)
        while True:
            pid, status, usage = os.wait4(self._child.pid, os.WNOHANG)
            if pid:
                return status, usage
            if self._over is not None and self._cause is None:
                return 0, None
            self._listen(poller)
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
        chunk = os.read(descriptor, CHUNK_BYTES)
        if descriptor != self._child.output:
            # Some process has ended. What a descendant left behind, nobody else waits for.
            clear_away_all_but(self._child.pid)
            return
        if chunk:
            self._log.add(chunk)
        else:
            self._prints = False
            poller.unregister(descriptor)

    def _listen(self, poller: select.poll) -> None:
        """Hear what is printed as long as the disk keeps up: else whoever prints has to wait."""
        if self._prints:
            wanted = select.POLLIN if self._log.has_room else 0
            poller.register(self._child.output, wanted)

    def _obey(self, commands: list[dict[str, object]]) -> None:
        for command in commands:
            if "cancel" in command:
                grace_s = number(command["cancel"]) or 0.0
                self._cancel_until = time.monotonic() + grace_s
                with suppress(ProcessLookupError):
                    os.kill(self._child.pid, signal.SIGTERM)
            elif "stop" in command:
                self._end("stopped")
            elif "deadline" in command:
                self._deadline = number(command["deadline"])
            over = command.get("over")
            if isinstance(over, dict):
                self._over = over

    def _check_limits(self) -> None:
        now = time.monotonic()
        if self._control.lease_is_over:
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


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        written = os.write(descriptor, view)
        view = view[written:]


def _cause_of(code: int) -> str:
    if code < 0:
        return "signal"
    return "exit"


def main() -> None:
    """Start the handlers' process, and watch its attempts for as long as it is fit for them."""
    passed = [int(descriptor) for descriptor in sys.argv[1:4]]
    # Event loops leave copies of pipes here that the worker takes for ours.
    close_all_but(0, 1, 2, *passed)
    become_supervisor()
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    described, *command = sys.argv[4:]
    told = json.loads(described)
    view = View(**told["view"]) if told["view"] is not None else None
    secrets = secrets_in(os.environ, told["secret"])
    child = Child(command, passed, view)
    try:
        _watch_attempts(child, Control(), secrets)
    except BaseException:
        # Whatever it is, nobody would end the processes once this one is gone.
        kill_descendants()
        raise


def _watch_attempts(child: Child, control: Control, secrets: list[str]) -> None:
    """Return once nothing is left below this process."""
    woken = woken_by_children()
    while commands := next_order(control):
        order, *others = commands
        attempt = Attempt(child, control, order, secrets)
        ended = attempt.run(others, woken)
        line = json.dumps(ended) + "\n"
        with suppress(BrokenPipeError):
            _write(sys.stdout.fileno(), line.encode())
        if not ended["livesOn"]:
            return
    kill_descendants()


if __name__ == "__main__":
    main()
