"""The supervisor of attempts, one at a time: beside the handlers' process, without user code.

First the attempt's log, then what the worker says (`Control`), then the thread that writes the log,
then one attempt and the program.

It starts the handlers' process, which takes tasks from the worker and answers it directly. The
supervisor is not notified of an attempt that is over in a moment, prints nothing and leaves nothing
behind; of every other one it is. Then it keeps what is printed, and ends the attempt with every
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
each attempt that it was notified of. Moments are of CLOCK_MONOTONIC, which a host's processes
share.
"""

from __future__ import annotations

import _thread
import fcntl
import json
import math
import os
import select
import signal
import sys
import time
from _queue import Empty, SimpleQueue
from contextlib import suppress

sys.path.append(__file__.rsplit("/", 4)[0])  # Isolated: nothing of ours is found yet.

from worker.executors.local.descendants import (
    Child,
    become_supervisor,
    clear_away_all_but,
    close_all_but,
    is_only_descendant,
    kill_descendants,
    memory_mb,
    woken_by_children,
)
from worker.executors.local.hiding import View
from worker.executors.local.masking import Masker, secrets_in

# Type checkers know the name; importing typing would cost a third of the start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from resource import struct_rusage


BEYOND = b"[the output beyond %d bytes is not kept]\n"
LEFT_OUT = b"[%d bytes were left out]\n"
LOST = b"[%d bytes could not be written]\n"


class Log:
    """Stamps each line, and keeps only so many bytes.

    No failure of the file ever leaves this class: whoever keeps the log has processes to end. What
    could not be written is counted, and told as soon as something can be written again.

    Attributes:
        lost: how many bytes could not be written and are not told of in the file yet.
    """

    def __init__(self, path: str, limit: int) -> None:
        self.lost = 0
        self._path = path
        self._file: int | None = None
        self._room = limit
        self._limit = limit
        self._at_line_start = True
        self._kept_whole_lines = True
        self._left_out = 0
        self._write(b"")  # Readers find the file from now on.

    def add(self, output: bytes) -> None:
        """Keep what was printed, line by line."""
        if not output:
            return  # A stamp alone would be a line.
        if self._room <= 0:
            self._left_out += len(output)
            return
        stamped = self._stamped(output)
        kept = stamped[: self._room]
        self._room -= len(kept)
        self._left_out += len(stamped) - len(kept)
        self._keep(kept)
        if self._room <= 0:
            self._keep(self._line_end + BEYOND % self._limit)

    def leave_out(self, size: int) -> None:
        """Count what has not even been passed on."""
        self._left_out += size

    def _stamped(self, output: bytes) -> bytes:
        """Return the output with the time at the start of each line."""
        stamp = _stamp()
        # Only the newline ends a line: progress bars return to its start a thousand times.
        stamped = output.replace(b"\n", b"\n" + stamp)
        if self._at_line_start:
            stamped = stamp + stamped
        self._at_line_start = output.endswith(b"\n")
        if self._at_line_start:
            # It belongs to a line that is yet to come.
            stamped = stamped.removesuffix(stamp)
        return stamped

    def close(self) -> None:
        """Say how much was left out, if any was."""
        last_words = b""
        if self._left_out:
            last_words = LEFT_OUT % self._left_out
        self._keep(last_words)
        if self._file is not None:
            with suppress(OSError):
                # Some file systems say only now that they could not write.
                os.close(self._file)

    @property
    def _line_end(self) -> bytes:
        if self._kept_whole_lines:
            return b""
        return b"\n"

    def _keep(self, content: bytes) -> None:
        """Write what can be written, and before it how much could not be until now."""
        told = b""
        if self.lost:
            told = self._line_end + LOST % self.lost
        whole = told + content
        written = self._write(whole)
        if written:
            self._kept_whole_lines = whole[:written].endswith(b"\n")
        if written >= len(told):
            self.lost = 0
        kept_bytes = max(0, written - len(told))
        self.lost += len(content) - kept_bytes

    def _write(self, content: bytes) -> int:
        """Return how many bytes the file took."""
        view = memoryview(content)
        with suppress(OSError):
            if self._file is None:
                self._file = _opened(self._path)
            while view:
                written = os.write(self._file, view)
                view = view[written:]
        return len(content) - len(view)


def _opened(path: str) -> int:
    # Not with pathlib, which would double the time of the start.
    directory = os.path.dirname(path)  # noqa: PTH120
    os.makedirs(directory, mode=0o700, exist_ok=True)  # noqa: PTH103
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    file = os.open(path, flags, 0o600)
    with suppress(OSError):  # Some file systems have no locks.
        # Tells whoever finds the file that it still grows.
        fcntl.flock(file, fcntl.LOCK_EX)
    return file


def _stamp() -> bytes:
    now = time.time()
    utc = time.gmtime(now)
    second = time.strftime("%Y-%m-%dT%H:%M:%S", utc)
    millisecond = int(now % 1 * 1000)
    return f"{second}.{millisecond:03d}Z ".encode()


CHUNK_BYTES = 65_536

LOOK_AGAIN_S = 3_600.0
"""How long to wait for the worker's word at a time: the system's clocks for it know no more than
some weeks."""


class Control:
    """What the worker says, and until when its word holds."""

    def __init__(self) -> None:
        self.descriptor = sys.stdin.fileno()
        self.lease_until = math.inf
        self._received = b""

    def read(self) -> list[dict[str, object]] | None:
        """Return the commands that there are; None once the worker is gone for good."""
        chunk = os.read(self.descriptor, CHUNK_BYTES)
        if not chunk:
            return None
        received = self._received + chunk
        *lines, self._received = received.split(b"\n")
        commands: list[dict[str, object]] = [json.loads(line) for line in lines]
        for command in commands:
            if "renew" in command:
                self.lease_until = number(command["renew"]) or 0.0
        return commands

    @property
    def lease_is_over(self) -> bool:
        """Return whether others may take the worker for dead from now on."""
        return time.monotonic() > self.lease_until


def number(value: object) -> float | None:
    """Return what was said as a number."""
    if value is None:
        return None
    return float(str(value))


def next_order(control: Control) -> list[dict[str, object]]:
    """Wait for an order, with whatever was said in one breath; [] once worker or lease is gone.

    Until then an attempt may be under way of which nobody has told yet, or the child has ended in
    the middle of one.
    """
    poller = select.poll()
    poller.register(control.descriptor, select.POLLIN)
    while not control.lease_is_over:
        left_s = max(0.0, control.lease_until - time.monotonic())
        timeout_ms = min(left_s, LOOK_AGAIN_S) * 1000 + 1
        if not poller.poll(timeout_ms):
            continue
        commands = control.read()
        if commands is None:
            break
        # What is no order was said to the attempt before, which had ended already.
        for index, command in enumerate(commands):
            if "log" in command:
                return commands[index:]
    return []


# The log of one attempt is written by a thread of its own.
#
# A disk that hangs, such as one behind a network, must not keep a supervisor from ending an
# attempt: at its deadline, when it is canceled, and when the lease is over. Printed lines wait
# meanwhile.

WAITING_BYTES = 1_048_576
"""While so much waits for the disk, no more is taken."""

CLOSING_S = 10.0
"""How long the end of an attempt, of which nothing runs any more, waits for the disk."""


class LogWriter:
    """Keeps what an attempt prints; none of it ever waits for the disk, but for the end."""

    def __init__(self, path: str, limit: int, secrets: Iterable[str] = ()) -> None:
        self._masker = Masker(secrets)
        self._waiting: SimpleQueue[bytes | None] = SimpleQueue()
        self._closed: SimpleQueue[int] = SimpleQueue()
        self._given_bytes = 0
        self._written_bytes = 0
        self._own: Log | None = None
        try:
            # Of `threading`, which takes long to import, nothing is needed.
            _thread.start_new_thread(self._write, (path, limit))
        except RuntimeError:
            # The handler may have used up what processes there may be.
            self._own = Log(path, limit)

    @property
    def has_room(self) -> bool:
        """Return whether the disk keeps up."""
        return self._given_bytes - self._written_bytes < WAITING_BYTES

    def add(self, output: bytes) -> None:
        """Keep what was printed, soon."""
        self._keep(self._masker.add(output))

    def _keep(self, output: bytes) -> None:
        if self._own is not None:
            self._own.add(output)
            return
        self._given_bytes += len(output)
        self._waiting.put(output)

    def close(self) -> int:
        """Wait until all is written, but not for ever; return how many bytes the file lacks."""
        self._keep(self._masker.rest())
        if self._own is not None:
            self._own.close()
            return self._own.lost
        self._waiting.put(None)
        try:
            return self._closed.get(timeout=CLOSING_S)
        except Empty:
            return self._given_bytes - self._written_bytes

    def _write(self, path: str, limit: int) -> None:
        log = Log(path, limit)
        while (output := self._waiting.get()) is not None:
            log.add(output)
            self._written_bytes += len(output)
        log.close()
        self._closed.put(log.lost)


TICK_S = 0.1
"""How often memory is looked at, and the longest that a passed deadline goes unnoticed."""


class SupervisedAttempt:
    """Watches over one attempt until nothing of it is left but a child that is fit for the next."""

    def __init__(
        self, child: Child, control: Control, order: dict[str, object], secrets: list[str]
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
        attempt = SupervisedAttempt(child, control, order, secrets)
        ended = attempt.run(others, woken)
        line = json.dumps(ended) + "\n"
        with suppress(BrokenPipeError):
            _write(sys.stdout.fileno(), line.encode())
        if not ended["livesOn"]:
            return
    kill_descendants()


if __name__ == "__main__":
    main()
