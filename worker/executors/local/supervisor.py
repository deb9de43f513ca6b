"""The supervisor of attempts, one at a time: beside the handlers' process, without user code.

First the two streams of output (`OutputStreams`), then the attempt's log, then the worker's
commands (`Control`), then the thread that writes the log, then one attempt and the program.

It starts the handlers' process, which takes tasks from the worker and answers it directly. The
supervisor is notified of an attempt unless that is over in a moment, prints nothing and leaves
nothing behind. Then it keeps the output, and ends the attempt with every descendant: at its
deadline, beyond its memory, and by the worker's command. In any case it ends everything when the
worker is gone, and when the worker's lease is over while the worker is frozen. It and the handlers'
process are subreapers, so nothing can hide in a session of its own. An attempt that ended by itself
and left nothing behind leaves its process to the next one.

Run as a file, isolated and without site-packages: it starts quickly and imports next to nothing of
the service. The handlers' process is started at once, so that it is ready for its first task.
Arguments: the descriptors for tasks, for reports and of the lease's end, JSON with the handlers'
process's `view` of the file system (`hiding.View`, or null) and the variables that are `secret`,
then its command.

Standard input: JSON lines, `{"renew": time}` at any time, and for each attempt first the order
(`{"log": …}` and limits), then `{"cancel": grace_s}`, `{"stop": true}`, `{"deadline": time}` or,
once its process reports that it is done, `{"over": …}`. Standard output: a JSON line at the end of
each attempt that it was notified of. Times are of CLOCK_MONOTONIC, which a host's processes share.
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

sys.path.append(__file__.rsplit("/", 4)[0])  # Isolated: the service is not in the path yet.

from worker.executors.local.descendants import (
    Child,
    become_supervisor,
    close_all_but,
    is_only_descendant,
    kill_descendants,
    memory_mb,
    reap_all_but,
    watch_children,
)
from worker.executors.local.hiding import View
from worker.executors.local.masking import Masker, secrets_in

# Type checkers know the name; importing typing would cost a third of the start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from resource import struct_rusage


STDOUT, STDERR = 1, 2
"""The streams of output, as their descriptors are numbered."""

ERROR_MARK = b"\x00\x1fstderr\x1f"
"""Begins what Python code prints on standard error, among its standard output: after it come the
number of bytes (`SIZE_BYTES`) and these bytes. The handlers' process learns it from its command."""

SIZE_BYTES = 2


class OutputStreams:
    """Splits what a process prints into its two streams, in the order in which it was printed.

    Each stream has a pipe, and what is read from two pipes has no order. So Python's own standard
    error comes through the pipe of standard output, in frames that begin with `ERROR_MARK`.
    """

    def __init__(self) -> None:
        self._unread = b""
        self._remaining_bytes = 0

    def split(self, output: bytes) -> list[tuple[bytes, int]]:
        """Return the parts of what came through standard output's pipe, each with its stream."""
        output = self._unread + output
        self._unread = b""
        parts: list[tuple[bytes, int]] = []
        position = 0
        while position < len(output):
            if self._remaining_bytes:
                part = output[position : position + self._remaining_bytes]
                self._remaining_bytes -= len(part)
                position += len(part)
                parts.append((part, STDERR))
                continue
            mark = output.find(ERROR_MARK, position)
            size = mark + len(ERROR_MARK)
            content = size + SIZE_BYTES
            if mark < 0 or content > len(output):
                end = _begin_of_mark(output, position) if mark < 0 else mark
                parts.append((output[position:end], STDOUT))
                self._unread = output[end:]
                break
            parts.append((output[position:mark], STDOUT))
            self._remaining_bytes = int.from_bytes(output[size:content], "big")
            position = content
        return parts

    def rest(self) -> bytes:
        """Return what might have begun a frame, at the end."""
        rest = self._unread
        self._unread = b""
        return rest


def _begin_of_mark(output: bytes, after: int) -> int:
    """Return where, after a position, an end of this output may begin a mark; else its end."""
    begin = output.rfind(ERROR_MARK[:1], max(after, len(output) - len(ERROR_MARK)))
    if begin >= 0 and ERROR_MARK.startswith(output[begin:]):
        return begin
    return len(output)


BEYOND = b"[the output beyond %d bytes is not kept]\n"
LEFT_OUT = b"[%d bytes were left out]\n"
LOST = b"[%d bytes could not be written]\n"


class Log:
    """Stamps each line, and keeps bytes up to a limit.

    The stamp is a time in UTC; it ends with `z` on lines of standard error, else with `Z`. A line
    has one stream: where the other one prints before its end, that begins another line.

    It never raises an error of the file, since its owner has processes to end. Bytes that could not
    be written are counted, and a line says so as soon as something can be written again.

    Attributes:
        lost: how many bytes could not be written, and no line in the file says so yet.
    """

    def __init__(self, path: str, limit: int) -> None:
        self.lost = 0
        self._path = path
        self._file: int | None = None
        self._remaining_bytes = limit
        self._limit = limit
        self._at_line_start = True
        self._stream = STDOUT
        self._file_ends_line = True
        self._dropped_bytes = 0
        self._write(b"")  # The file exists from now on.

    def add(self, *parts: tuple[bytes, int]) -> None:
        """Write parts of the output, each of a stream, with stamps, up to the limit."""
        if self._remaining_bytes <= 0:
            self._dropped_bytes += _size(parts)
            return
        stamps = _stamps()
        # A stamp alone would be a line.
        stamped = b"".join([self._stamped(part, stream, stamps) for part, stream in parts if part])
        kept = stamped[: self._remaining_bytes]
        self._remaining_bytes -= len(kept)
        self._dropped_bytes += len(stamped) - len(kept)
        self._append(kept)
        if self._remaining_bytes <= 0:
            self._append(self._line_end + BEYOND % self._limit)

    def leave_out(self, size: int) -> None:
        """Count output that was dropped before it came here."""
        self._dropped_bytes += size

    def _stamped(self, output: bytes, stream: int, stamps: dict[int, bytes]) -> bytes:
        """Return the output with the time at the start of each line."""
        stamp = stamps[stream]
        # Only the newline ends a line: progress bars return to its start a thousand times.
        stamped = output.replace(b"\n", b"\n" + stamp)
        if self._at_line_start:
            stamped = stamp + stamped
        elif stream != self._stream:
            stamped = b"\n" + stamp + stamped
        self._stream = stream
        self._at_line_start = output.endswith(b"\n")
        if self._at_line_start:
            # It belongs to the next line.
            stamped = stamped.removesuffix(stamp)
        return stamped

    def close(self) -> None:
        """Write how much was left out, if any was, and close the file."""
        self._append(LEFT_OUT % self._dropped_bytes if self._dropped_bytes else b"")
        if self._file is not None:
            with suppress(OSError):
                # Some file systems report errors of writes only now.
                os.close(self._file)

    @property
    def _line_end(self) -> bytes:
        return b"" if self._file_ends_line else b"\n"

    def _append(self, content: bytes) -> None:
        """Write content, and before it how much could not be written until now."""
        notice = self._line_end + LOST % self.lost if self.lost else b""
        text = notice + content
        written = self._write(text)
        if written:
            self._file_ends_line = text[:written].endswith(b"\n")
        if written >= len(notice):
            self.lost = 0
        self.lost += len(content) - max(0, written - len(notice))

    def _write(self, content: bytes) -> int:
        """Write as much as the file takes; return how many bytes that was."""
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
        # Shows readers that the file still grows.
        fcntl.flock(file, fcntl.LOCK_EX)
    return file


def _size(parts: Iterable[tuple[bytes, int]]) -> int:
    return sum([len(part) for part, _ in parts])


def _stamps() -> dict[int, bytes]:
    """Return the time as it begins a line of each stream."""
    now = time.time()
    utc = time.gmtime(now)
    second = time.strftime("%Y-%m-%dT%H:%M:%S", utc)
    millisecond = int(now % 1 * 1000)
    stamp = f"{second}.{millisecond:03d}"
    return {STDOUT: f"{stamp}Z ".encode(), STDERR: f"{stamp}z ".encode()}


CHUNK_BYTES = 65_536

MAX_POLL_S = 3_600.0
"""The longest wait at a time: the system's timer takes some weeks at most."""


class Control:
    """The worker's commands, and its lease.

    Attributes:
        descriptor: standard input, where commands come.
        lease_until: the end of the lease, by the monotonic clock.
    """

    def __init__(self) -> None:
        self.descriptor = sys.stdin.fileno()
        self.lease_until = math.inf
        self._received = b""

    def read(self) -> list[dict[str, object]] | None:
        """Return the commands that have come; None once the worker is gone for good."""
        chunk = os.read(self.descriptor, CHUNK_BYTES)
        if not chunk:
            return None
        *lines, self._received = (self._received + chunk).split(b"\n")
        commands: list[dict[str, object]] = [json.loads(line) for line in lines]
        for command in commands:
            if "renew" in command:
                self.lease_until = number(command["renew"]) or 0.0
        return commands

    @property
    def lease_is_over(self) -> bool:
        """Whether the lease is over, so that other workers may take over the runs."""
        return time.monotonic() > self.lease_until


def number(value: object) -> float | None:
    """Return a number of JSON as a float."""
    return None if value is None else float(str(value))


def next_order(control: Control) -> list[dict[str, object]]:
    """Wait for an order; return it with the commands that came together with it.

    Until then an attempt may be running without an order, or the child has ended in the middle of
    one.

    Returns:
        the commands, the order first; none once the worker is gone or the lease is over.
    """
    poller = select.poll()
    poller.register(control.descriptor, select.POLLIN)
    while not control.lease_is_over:
        remaining_s = max(0.0, control.lease_until - time.monotonic())
        timeout_ms = min(remaining_s, MAX_POLL_S) * 1000 + 1
        if not poller.poll(timeout_ms):
            continue
        commands = control.read()
        if commands is None:
            break
        # Commands before the order are for the previous attempt, which had ended already.
        for index, command in enumerate(commands):
            if "log" in command:
                return commands[index:]
    return []


MAX_PENDING_BYTES = 1_048_576
"""While this much waits for the disk, no more output is read."""

CLOSING_S = 10.0
"""How long the end of an attempt waits for the disk."""


class LogWriter:
    """Writes the log of an attempt in a thread; only `close` waits for the disk.

    A disk that hangs, such as one behind a network, must not keep a supervisor from ending an
    attempt: at its deadline, when it is canceled, and when the lease is over. Output waits
    meanwhile.
    """

    def __init__(self, path: str, limit: int, secrets: Iterable[str] = ()) -> None:
        self._maskers = {stream: Masker(secrets) for stream in (STDOUT, STDERR)}
        self._waiting: SimpleQueue[list[tuple[bytes, int]] | None] = SimpleQueue()
        self._closed: SimpleQueue[int] = SimpleQueue()
        self._accepted_bytes = 0
        self._written_bytes = 0
        self._direct: Log | None = None
        try:
            # Not by `threading`, which takes long to import.
            _thread.start_new_thread(self._write, (path, limit))
        except RuntimeError:
            # The handler may have used up the limit of processes.
            self._direct = Log(path, limit)

    @property
    def has_capacity(self) -> bool:
        """Whether more output may wait for the disk."""
        return self._accepted_bytes - self._written_bytes < MAX_PENDING_BYTES

    def add(self, *parts: tuple[bytes, int]) -> None:
        """Write parts of the output, each of a stream, in the background."""
        self._enqueue([(self._maskers[stream].add(part), stream) for part, stream in parts])

    def _enqueue(self, parts: list[tuple[bytes, int]]) -> None:
        size = _size(parts)
        if self._direct is not None:
            self._direct.add(*parts)
        elif size:
            self._accepted_bytes += size
            self._waiting.put(parts)

    def close(self) -> int:
        """Wait up to `CLOSING_S` until all is written; return how many bytes the file lacks."""
        self._enqueue([(masker.rest(), stream) for stream, masker in self._maskers.items()])
        if self._direct is not None:
            self._direct.close()
            return self._direct.lost
        self._waiting.put(None)
        try:
            return self._closed.get(timeout=CLOSING_S)
        except Empty:
            return self._accepted_bytes - self._written_bytes

    def _write(self, path: str, limit: int) -> None:
        log = Log(path, limit)
        while (parts := self._waiting.get()) is not None:
            log.add(*parts)
            self._written_bytes += _size(parts)
        log.close()
        self._closed.put(log.lost)


TICK_S = 0.1
"""How often memory and deadlines are checked."""


class SupervisedAttempt:
    """Watches one attempt until nothing of it is left, but for a child that can run the next."""

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
        self._streams = OutputStreams()
        self._open_pipes = {child.output, child.errors}
        for pipe in self._open_pipes:
            os.set_blocking(pipe, False)

    def run(self, commands: list[dict[str, object]], child_ended: int) -> dict[str, object]:
        """Watch until the end; return the message about it for the worker.

        Args:
            commands: those that came together with the order.
            child_ended: a descriptor that can be read when a process below this one has ended.
        """
        self._execute(commands)
        status, usage = self._watch(child_ended)
        lives_on = usage is None and self._is_fit()
        if not lives_on:
            kill_descendants()
        self._drain()
        log_lost = self._log.close()
        code = os.waitstatus_to_exitcode(status)
        used_s, peak_mb = self._used(usage)
        return {
            "cause": self._cause or ("signal" if code < 0 else "exit"),
            "code": code,
            "cpuSeconds": round(max(used_s, 0.0), 3),
            "peakMemoryMb": round(max(self._peak_mb, peak_mb), 1),
            "livesOn": lives_on,
            "logLost": log_lost,
        }

    def _is_fit(self) -> bool:
        """Return whether a child that is done with its attempt can run another one."""
        if self._over is None or not self._over.get("fit"):
            return False
        return is_only_descendant(self._child.pid)

    def _used(self, usage: struct_rusage | None) -> tuple[float, float]:
        """Return the attempt's seconds of processor and its MB, by the kernel or by the child."""
        if usage is not None:
            total_s = usage.ru_utime + usage.ru_stime
            return total_s - self._cpu_before_s, usage.ru_maxrss / 1024
        report = self._over or {}
        return number(report["cpuSeconds"]) or 0.0, number(report["peakMemoryMb"]) or 0.0

    def _watch(self, child_ended: int) -> tuple[int, struct_rusage | None]:
        """Return status and usage of a child that ended; (0, None) if it is done, but lives."""
        poller = select.poll()
        for descriptor in (self._control.descriptor, child_ended):
            poller.register(descriptor, select.POLLIN)
        while True:
            pid, status, usage = os.wait4(self._child.pid, os.WNOHANG)
            if pid:
                return status, usage
            if self._over is not None and self._cause is None:
                return 0, None
            self._poll_output(poller)
            for descriptor, _ in poller.poll(TICK_S * 1000):
                self._handle(descriptor, poller)
            self._check_limits()

    def _handle(self, descriptor: int, poller: select.poll) -> None:
        if descriptor == self._control.descriptor:
            commands = self._control.read()
            if commands is None:  # The worker is gone.
                poller.unregister(descriptor)
                self._end("stopped")
            self._execute(commands or [])
        elif descriptor in (self._child.output, self._child.errors):
            before = set(self._open_pipes)
            self._copy_output()
            for closed in before - self._open_pipes:
                poller.unregister(closed)
        else:
            # Some process has ended. Processes that descendants left are awaited here alone.
            os.read(descriptor, CHUNK_BYTES)
            reap_all_but(self._child.pid)

    def _poll_output(self, poller: select.poll) -> None:
        """Poll the output only while the disk keeps up: else printing processes have to wait."""
        for pipe in self._open_pipes:
            poller.register(pipe, select.POLLIN if self._log.has_capacity else 0)

    def _copy_output(self) -> bool:
        """Log what was printed since the last time; return whether anything was.

        Errors are read first and logged last: then what was printed on standard output before them
        stands before them.
        """
        errors = self._read(self._child.errors)
        output = self._read(self._child.output)
        self._log.add(*self._streams.split(output), (errors, STDERR))
        return bool(errors or output)

    def _read(self, pipe: int) -> bytes:
        """Return what a pipe has, as much as it can hold."""
        if pipe not in self._open_pipes:
            return b""
        try:
            content = os.read(pipe, CHUNK_BYTES)
        except BlockingIOError:
            return b""
        if not content:
            self._open_pipes.remove(pipe)
        return content

    def _execute(self, commands: list[dict[str, object]]) -> None:
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
        while self._copy_output():
            pass
        self._log.add((self._streams.rest(), STDOUT))


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        written = os.write(descriptor, view)
        view = view[written:]


def main() -> None:
    """Start the handlers' process, and watch its attempts for as long as it can run them."""
    passed = [int(descriptor) for descriptor in sys.argv[1:4]]
    # A worker's event loop leaves copies of its pipes here.
    close_all_but(0, 1, 2, *passed)
    become_supervisor()
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    options_text, *command = sys.argv[4:]
    options = json.loads(options_text)
    view = View(**options["view"]) if options["view"] is not None else None
    secrets = secrets_in(os.environ, options["secret"])
    child = Child(command, passed, view)
    try:
        _watch_attempts(child, Control(), secrets)
    except BaseException:
        # Whatever the error, no other process would end them.
        kill_descendants()
        raise


def _watch_attempts(child: Child, control: Control, secrets: list[str]) -> None:
    """Return once nothing is left below this process."""
    child_ended = watch_children()
    while commands := next_order(control):
        order, *others = commands
        end = SupervisedAttempt(child, control, order, secrets).run(others, child_ended)
        with suppress(BrokenPipeError):
            _write(sys.stdout.fileno(), f"{json.dumps(end)}\n".encode())
        if not end["livesOn"]:
            return
    kill_descendants()


if __name__ == "__main__":
    main()
