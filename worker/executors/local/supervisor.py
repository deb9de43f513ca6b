"""The program of a supervisor: it starts a handlers' process and watches its attempts.

First the two streams of output (`OutputStreams`), then an attempt's log (`Log`), the worker's
commands (`Control`), the thread that writes the log (`LogWriter`), one attempt
(`SupervisedAttempt`), and the program.

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
from worker.executors.local.masking import Masker, find_secrets

# Type checkers know the name; importing typing would cost a third of the start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from resource import struct_rusage


STDOUT, STDERR = 1, 2
"""The streams of output, by the numbers of their descriptors."""

ERROR_MARK = b"\x00\x1fstderr\x1f"
"""Begins a frame of standard error within standard output: the number of bytes (in `SIZE_BYTES`
bytes) and these bytes follow. The handlers' process gets the mark with its command."""

SIZE_BYTES = 2


class OutputStreams:
    """Splits the output of a process into its two streams, in the order in which it was printed.

    Each stream has a pipe, and the contents of two pipes have no common order. So Python code
    prints standard error to the pipe of standard output, in frames that begin with `ERROR_MARK`.
    """

    def __init__(self) -> None:
        self._unread = b""
        self._remaining_bytes = 0

    def split(self, output: bytes) -> list[tuple[bytes, int]]:
        """Return the parts of output from standard output's pipe, each with its stream."""
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
                end = _find_partial_mark(output, position) if mark < 0 else mark
                parts.append((output[position:end], STDOUT))
                self._unread = output[end:]
                break
            parts.append((output[position:mark], STDOUT))
            self._remaining_bytes = int.from_bytes(output[size:content], "big")
            position = content
        return parts

    def flush(self) -> bytes:
        """Return output that was held back as a possible start of a frame, at the end."""
        rest = self._unread
        self._unread = b""
        return rest


def _find_partial_mark(output: bytes, after: int) -> int:
    """Return the index, after a position, from which the output may be a mark; else its length."""
    begin = output.rfind(ERROR_MARK[:1], max(after, len(output) - len(ERROR_MARK)))
    if begin >= 0 and ERROR_MARK.startswith(output[begin:]):
        return begin
    return len(output)


LIMIT_NOTICE = b"[the output beyond %d bytes is not kept]\n"
DROPPED_NOTICE = b"[%d bytes were left out]\n"
LOST_NOTICE = b"[%d bytes could not be written]\n"


class Log:
    """The log of an attempt: output with a timestamp on each line, up to a limit of bytes.

    Timestamps are in UTC; they end with `z` on lines of standard error, else with `Z`. Each line
    belongs to one stream: if the other stream prints before its end, another line begins.

    It never raises an error of the file, as the supervisor must go on to end processes. Bytes that
    could not be written are counted; once the file can be written again, a notice has their number.

    Attributes:
        lost: how many bytes could not be written and are not in a notice yet.
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
        """Write parts of the output, each with its stream, up to the limit."""
        if self._remaining_bytes <= 0:
            self._dropped_bytes += _size(parts)
            return
        stamps = _stamps()
        # An empty part would become a line with nothing but a stamp.
        stamped = b"".join([self._stamp(part, stream, stamps) for part, stream in parts if part])
        kept = stamped[: self._remaining_bytes]
        self._remaining_bytes -= len(kept)
        self._dropped_bytes += len(stamped) - len(kept)
        self._append(kept)
        if self._remaining_bytes <= 0:
            self._append(self._line_end + LIMIT_NOTICE % self._limit)

    def count_dropped(self, size: int) -> None:
        """Count output that was dropped before it came here."""
        self._dropped_bytes += size

    def _stamp(self, output: bytes, stream: int, stamps: dict[int, bytes]) -> bytes:
        """Return the output with a timestamp at the start of each line."""
        stamp = stamps[stream]
        # A carriage return does not end a line: progress bars print thousands of them.
        stamped = output.replace(b"\n", b"\n" + stamp)
        if self._at_line_start:
            stamped = stamp + stamped
        elif stream != self._stream:
            stamped = b"\n" + stamp + stamped
        self._stream = stream
        self._at_line_start = output.endswith(b"\n")
        if self._at_line_start:
            # The next line gets a timestamp of its own.
            stamped = stamped.removesuffix(stamp)
        return stamped

    def close(self) -> None:
        """Write how many bytes were dropped, if any were, and close the file."""
        self._append(DROPPED_NOTICE % self._dropped_bytes if self._dropped_bytes else b"")
        if self._file is not None:
            with suppress(OSError):
                # Some file systems report errors of earlier writes here.
                os.close(self._file)

    @property
    def _line_end(self) -> bytes:
        return b"" if self._file_ends_line else b"\n"

    def _append(self, content: bytes) -> None:
        """Write content, and before it how many bytes could not be written until now."""
        notice = self._line_end + LOST_NOTICE % self.lost if self.lost else b""
        text = notice + content
        written = self._write(text)
        if written:
            self._file_ends_line = text[:written].endswith(b"\n")
        if written >= len(notice):
            self.lost = 0
        self.lost += len(content) - max(0, written - len(notice))

    def _write(self, content: bytes) -> int:
        """Write as much as possible; return the number of bytes that were written."""
        view = memoryview(content)
        with suppress(OSError):
            if self._file is None:
                self._file = _open_log_file(self._path)
            while view:
                written = os.write(self._file, view)
                view = view[written:]
        return len(content) - len(view)


def _open_log_file(path: str) -> int:
    # Without pathlib, which would double the time of the start.
    directory = os.path.dirname(path)  # noqa: PTH120
    os.makedirs(directory, mode=0o700, exist_ok=True)  # noqa: PTH103
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    file = os.open(path, flags, 0o600)
    with suppress(OSError):  # Some file systems have no locks.
        # The lock shows readers that the file still grows.
        fcntl.flock(file, fcntl.LOCK_EX)
    return file


def _size(parts: Iterable[tuple[bytes, int]]) -> int:
    return sum([len(part) for part, _ in parts])


def _stamps() -> dict[int, bytes]:
    """Return the present timestamp for lines of each stream."""
    now = time.time()
    utc = time.gmtime(now)
    second = time.strftime("%Y-%m-%dT%H:%M:%S", utc)
    millisecond = int(now % 1 * 1000)
    stamp = f"{second}.{millisecond:03d}"
    return {STDOUT: f"{stamp}Z ".encode(), STDERR: f"{stamp}z ".encode()}


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

    @property
    def lease_is_over(self) -> bool:
        """Whether the lease is over, so that other workers may take over the runs."""
        return time.monotonic() > self.lease_until


def parse_number(value: object) -> float | None:
    """Return a JSON number, or null, as a float or None."""
    return None if value is None else float(str(value))


def wait_for_order(control: Control) -> list[dict[str, object]]:
    """Wait for the order of the next attempt that is to be watched.

    Returns:
        The order, and the commands that arrived after it; nothing if the worker is gone or the
        lease is over.
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
        # Commands before the order were sent to the previous attempt before its end was known.
        for index, command in enumerate(commands):
            if "log" in command:
                return commands[index:]
    return []


MAX_PENDING_BYTES = 1_048_576
"""While this much output waits for the disk, no more is read."""

CLOSING_S = 10.0
"""How long the end of an attempt waits for the disk."""


class LogWriter:
    """Writes the log of an attempt in a thread; only `close` waits for the disk.

    A disk that hangs, such as a network disk, must not prevent a supervisor from ending an attempt:
    at its deadline, when it is canceled, or when the lease is over.
    """

    def __init__(self, path: str, limit: int, secrets: Iterable[str] = ()) -> None:
        self._maskers = {stream: Masker(secrets) for stream in (STDOUT, STDERR)}
        self._waiting: SimpleQueue[list[tuple[bytes, int]] | None] = SimpleQueue()
        self._closed: SimpleQueue[int] = SimpleQueue()
        self._accepted_bytes = 0
        self._written_bytes = 0
        self._direct: Log | None = None
        try:
            # Without `threading`, which takes long to import.
            _thread.start_new_thread(self._write, (path, limit))
        except RuntimeError:
            # No thread can be started if the handler has reached the limit of processes.
            self._direct = Log(path, limit)

    @property
    def has_capacity(self) -> bool:
        """Whether more output may wait for the disk."""
        return self._accepted_bytes - self._written_bytes < MAX_PENDING_BYTES

    def add(self, *parts: tuple[bytes, int]) -> None:
        """Write parts of the output, each with its stream, in the background."""
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
        self._enqueue([(masker.flush(), stream) for stream, masker in self._maskers.items()])
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
    """Watches one attempt until it is over and, unless its process can be reused, all is killed."""

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
        for pipe in self._open_pipes:
            os.set_blocking(pipe, False)

    def run(self, commands: list[dict[str, object]], child_ended: int) -> dict[str, object]:
        """Watch until the end; return the message about it for the worker.

        Args:
            commands: those that arrived together with the order.
            child_ended: a descriptor that is readable once a child of this process has ended.
        """
        self._execute(commands)
        status, usage = self._watch(child_ended)
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

    def _watch(self, child_ended: int) -> tuple[int, struct_rusage | None]:
        """Wait for the end; return the child's status and usage, or (0, None) if it still runs."""
        poller = select.poll()
        for descriptor in (self._control.descriptor, child_ended):
            poller.register(descriptor, select.POLLIN)
        while True:
            pid, status, usage = os.wait4(self._child.pid, os.WNOHANG)
            if pid:
                return status, usage
            if self._done_report is not None and self._cause is None:
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
            # A child has ended. Only this process can reap the orphans that it has adopted.
            os.read(descriptor, CHUNK_BYTES)
            reap_all_but(self._child.pid)

    def _poll_output(self, poller: select.poll) -> None:
        """Poll the output only while the disk keeps up; otherwise, processes that print wait."""
        for pipe in self._open_pipes:
            poller.register(pipe, select.POLLIN if self._log.has_capacity else 0)

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
        return content

    def _execute(self, commands: list[dict[str, object]]) -> None:
        for command in commands:
            if "cancel" in command:
                grace_s = parse_number(command["cancel"]) or 0.0
                self._cancel_until = time.monotonic() + grace_s
                with suppress(ProcessLookupError):
                    os.kill(self._child.pid, signal.SIGTERM)
            elif "stop" in command:
                self._end("stopped")
            elif "deadline" in command:
                self._deadline = parse_number(command["deadline"])
            over = command.get("over")
            if isinstance(over, dict):
                self._done_report = over

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
        """Kill the child; only the first cause counts."""
        self._cause = self._cause or cause
        with suppress(ProcessLookupError):
            os.kill(self._child.pid, signal.SIGKILL)

    def _log_remaining_output(self) -> None:
        while self._copy_output():
            pass
        self._log.add((self._streams.flush(), STDOUT))


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
    child_ended = watch_children()
    while commands := wait_for_order(control):
        order, *later_commands = commands
        end = SupervisedAttempt(child, control, order, secrets).run(later_commands, child_ended)
        with suppress(BrokenPipeError):
            _write(sys.stdout.fileno(), f"{json.dumps(end)}\n".encode())
        if not end["livesOn"]:
            return
    kill_descendants()


if __name__ == "__main__":
    main()
