"""A slot for attempts: a handlers' process with its supervisor, started before its first task.

First a reader of lines from a pipe (`LineReader`), then the slot, then its start (`start_slot`).
"""

import asyncio
import json
import logging
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import orjson
import uvloop

from apphub_jobs.version import CONTRACT
from runtime.tasks import start_once
from worker.executors.local import supervisor
from worker.executors.local.handler_process import (
    PROGRAM,
    CoverCheck,
    build_command,
    build_environment,
    build_view,
    unfit_message,
)
from worker.executors.local.lease import LeaseCell
from worker.executors.local.masking import find_secrets, mask
from worker.executors.local.orphans import Orphans
from worker.executors.local.reports import parse_message, parse_seconds
from worker.executors.local.workplace import remove_directory
from worker.executors.packages import HandlerPackage

logger = logging.getLogger(__name__)


class LineReader(asyncio.Protocol):
    """Passes each line of a pipe to a callback, without a task or a future for each."""

    def __init__(
        self, limit_bytes: int, on_line: Callable[[bytes | None], None], on_end: Callable[[], None]
    ) -> None:
        """Create a reader.

        Args:
            limit_bytes: the maximum length of a line.
            on_line: called with each line; with None once a line exceeds the limit.
            on_end: called when the pipe is closed.
        """
        self._limit_bytes = limit_bytes
        self._on_line = on_line
        self._on_end = on_end
        self._parts: list[bytes] = []
        self._line_bytes = 0
        self._is_skipping = False

    def data_received(self, data: bytes) -> None:
        """Split received bytes into lines."""
        *line_ends, rest = data.split(b"\n")
        for part in line_ends:
            self._add(part)
            line = b"".join(self._parts)
            is_too_long = self._is_skipping
            self._begin_line()
            if not is_too_long:
                self._on_line(line)
        self._add(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the end; an unfinished line is dropped."""
        del exc
        self._on_end()

    def _begin_line(self) -> None:
        self._parts.clear()
        self._line_bytes = 0
        self._is_skipping = False

    def _add(self, part: bytes) -> None:
        """Add a part to the current line, unless that is too long."""
        if self._is_skipping:
            return
        self._parts.append(part)
        self._line_bytes += len(part)
        if self._line_bytes > self._limit_bytes:
            self._is_skipping = True
            self._parts.clear()
            self._on_line(None)


REPORT_LIMIT_BYTES = 8 * 1_048_576
"""The longest message of an attempt: above the limit of results, which has a clearer error."""

TOO_LONG = f"a result or report of more than {REPORT_LIMIT_BYTES} bytes"
NO_JSON = "a result or report that is no JSON"


class Listener(Protocol):
    """The attempt in a slot, or the process whose attempts share it."""

    def on_message(self, message: Mapping[str, Any]) -> None:
        """Handle a message of the handlers' process."""

    def on_fault(self, fault: str) -> None:
        """Handle an invalid message, which `fault` describes."""

    def on_reports_closed(self) -> None:
        """Handle that no process holds the pipe for reports any more, before the attempt's end."""

    def on_attempt_ended(self, end_report: Mapping[str, Any] | None) -> None:
        """End the attempt, unless it has ended already: no more messages will arrive.

        Args:
            end_report: the supervisor's report of the end; None if the supervisor was killed.
        """


FAREWELL_S = 1.0
"""How long to wait for the last messages of a process after the supervisor's report of its end, or
after the supervisor was killed: processes that it left may never close the pipe."""


class Slot:
    """A supervisor and its handlers' process, reused for attempts until one leaves it unusable.

    Attributes:
        package: the package whose handlers run here.
        process: the supervisor.
        workdir: the directory in which each attempt has a directory.
        listener: the current attempt; None between attempts.
        cpu_s: the processor time of the handlers' process, as last reported.
        loaded: set once the handlers are loaded, or cannot be any more.
        is_open: whether the process and its supervisor run, as far as their pipes show.
        secrets: the texts to mask in the attempts' output and errors.
    """

    def __init__(  # noqa: PLR0913 - its parts
        self,
        package: HandlerPackage,
        process: asyncio.subprocess.Process,
        workdir: Path,
        orphans: Orphans | None,
        cover: CoverCheck,
        lease: LeaseCell,
    ) -> None:
        self.package = package
        self.process = process
        self.workdir = workdir
        self.secrets = find_secrets(os.environ, package.pass_env)
        self._orphans = orphans
        self._cover = cover
        self._lease = lease
        self.listener: Listener | None = None
        self.cpu_s: float | None = None
        self.loaded = asyncio.Event()
        self._tasks: asyncio.WriteTransport | None = None
        self._lease_until = math.inf
        self._lapsed = False
        self._is_revoked = False
        self._attempts = 0
        self.is_open = True
        self._reports_closed = False
        self._end_report: Mapping[str, Any] | None = None
        self._supervisor_reader: asyncio.Task[None] | None = None

    async def connect(self, task_pipe: int, report_pipe: int) -> None:
        """Connect this process's ends of the pipes for tasks and for reports."""
        loop = asyncio.get_running_loop()
        # With uvloop, the file objects must not close their descriptors: libuv has closed them by
        # then, and another thread may have opened a file with the same number.
        closes_descriptor = not isinstance(loop, uvloop.Loop)
        reader = LineReader(REPORT_LIMIT_BYTES, self._on_report_line, self._on_reports_closed)
        reports = os.fdopen(report_pipe, "rb", buffering=0, closefd=closes_descriptor)
        try:
            await loop.connect_read_pipe(lambda: reader, reports)
        except BaseException:
            os.close(task_pipe)
            raise
        tasks = os.fdopen(task_pipe, "wb", buffering=0, closefd=closes_descriptor)
        self._tasks, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, tasks)
        self._supervisor_reader = start_once("supervisor", self._read_supervisor())

    @property
    def is_alive(self) -> bool:
        """Whether the slot can run another attempt."""
        has_ended = self.process.returncode is not None
        is_running = self.is_open and not self.forbids_beginning and not has_ended
        return is_running and self._cover.holds

    @property
    def has_lapsed(self) -> bool:
        """Whether the lease was ever over, so that the supervisor may have ended everything."""
        return self._lapsed or monotonic() > self._lease_until

    @property
    def forbids_beginning(self) -> bool:
        """Whether the process may have refused to begin an attempt."""
        return self.has_lapsed or self._is_revoked

    def next_attempt(self) -> int:
        """Return the number of the next attempt; the process numbers its directories likewise."""
        self._attempts += 1
        return self._attempts

    def workdir_of(self, attempt: int) -> Path:
        """Return the directory of the attempt with this number."""
        return self.workdir / str(attempt)

    def send_tasks(self, *tasks: Mapping[str, Any]) -> None:
        """Send tasks to the process, in one write."""
        pipe = self._tasks
        if pipe is not None and not pipe.is_closing():
            pipe.write(b"".join(map(_encode_line, tasks)))

    def command(self, command: Mapping[str, Any]) -> None:
        """Send a command to the supervisor."""
        commands = self.process.stdin
        if commands is not None and not commands.is_closing():
            commands.write(_encode_line(command))

    def renew(self, until: float) -> None:
        """Extend the lease to this time of the monotonic clock."""
        if until != self._lease_until and not self._is_revoked:
            previous_until, self._lease_until = self._lease_until, until
            # The new lease is written before the clock is read. So if the process has refused an
            # attempt by the previous lease, this notices that it was over.
            self._lease.write(until)
            self._lapsed = self._lapsed or monotonic() > previous_until
            self.command({"renew": until})

    def revoke(self) -> None:
        """Let no attempt begin here any more, not even one that was sent already."""
        self._is_revoked = True
        self._lease.write(-math.inf)

    def hang_up(self) -> None:
        """Close the pipes to the slot, so that its supervisor kills everything and exits."""
        self.is_open = False
        self.revoke()
        commands = self.process.stdin
        if commands is not None:
            commands.close()
        tasks = self._tasks
        if tasks is not None and not tasks.is_closing():
            tasks.abort()

    async def discard(self) -> None:
        """End the slot, and remove its directory."""
        self.hang_up()
        await self.process.wait()
        if self._supervisor_reader is not None:
            await self._supervisor_reader
        self._lease.close()
        await asyncio.to_thread(remove_directory, self.workdir)

    def _on_report_line(self, line: bytes | None) -> None:
        if line == b"":
            return
        message = None if line is None else parse_message(line)
        if message is None and self.listener is not None:
            self.listener.on_fault(TOO_LONG if line is None else NO_JSON)
        elif message is not None and message["type"] == "ready":
            self._on_ready(message)
        elif message is not None and self.listener is not None:
            self.listener.on_message(mask_message(message, self.secrets))
        else:
            self.hang_up()  # There is no attempt that the message could be about.

    def _on_ready(self, message: Mapping[str, Any]) -> None:
        if message.get("contract") == CONTRACT:
            self._record_cpu(message)
            self.loaded.set()
        elif self.listener is not None:
            self.listener.on_fault(unfit_message(self.package))
        else:
            logger.warning("%s", unfit_message(self.package))
            self.hang_up()

    def _record_cpu(self, message: Mapping[str, Any]) -> None:
        cpu_s = parse_seconds(message.get("cpuTotal"))
        if cpu_s is not None:
            self.cpu_s = cpu_s

    def _on_reports_closed(self) -> None:
        self.is_open = False
        self._reports_closed = True
        self.loaded.set()
        if self.listener is None:
            # The process has ended between attempts, so its supervisor need not wait for an order.
            self.hang_up()
        elif self._end_report is not None:
            self.listener.on_attempt_ended(self._end_report)
        else:
            self.listener.on_reports_closed()

    async def _read_supervisor(self) -> None:
        if self.process.stdout is not None:
            async for line in self.process.stdout:
                self._on_attempt_ended(json.loads(line))
        self.is_open = False
        # A supervisor that exits with 0 leaves no process; one that was killed may.
        if await self.process.wait() != 0 and self._orphans is not None:
            await self._orphans.end()
        self._on_attempt_ended(None)

    def _on_attempt_ended(self, end_report: Mapping[str, Any] | None) -> None:
        """End the attempt once its last messages have arrived, or after `FAREWELL_S`."""
        listener = self.listener
        if listener is None:
            return
        if end_report is not None and end_report["livesOn"]:
            listener.on_attempt_ended(end_report)
            return
        self._end_report = self._end_report or end_report
        if self._reports_closed:
            listener.on_attempt_ended(self._end_report)
        else:
            loop = asyncio.get_running_loop()
            loop.call_later(FAREWELL_S, listener.on_attempt_ended, self._end_report)


def _encode_line(message: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # A path or a variable of the system may not be UTF-8.
        return json.dumps(message).encode() + b"\n"


def mask_message(message: Mapping[str, Any], secrets: Sequence[str]) -> Mapping[str, Any]:
    """Return a message with these secrets masked in its error fields."""
    if not secrets:
        return message
    masked_fields = {
        name: mask(message[name], secrets)
        for name in _ERROR_FIELDS
        if isinstance(message.get(name), str)
    }
    return {**message, **masked_fields}


_ERROR_FIELDS = ("message", "stack", "error_message")


async def start_slot(
    package: HandlerPackage, workdir: Path, orphans: Orphans | None, program: str = PROGRAM
) -> Slot:
    """Start a supervisor and its handlers' process.

    Args:
        package: the handlers.
        workdir: the directory in which the attempts work; it is removed with the slot.
        orphans: ends the processes that a killed supervisor leaves; None for nothing.
        program: the Python program of the handlers' process.

    Raises:
        OSError: a process could not be started; nothing of it is left.
    """
    cover = CoverCheck(package.hidden, workdir)
    try:
        lease, (tasks, task_pipe, report_pipe, reports) = _open_channels()
    except OSError:
        # Unlike `remove_directory`, this needs no descriptor; the directory is empty.
        os.rmdir(workdir)  # noqa: PTH106
        raise
    inherited = (tasks, reports, lease.descriptor)
    try:
        _require_descriptors(tasks)
        command = build_command(program, package)
        process = await _spawn(package, command, workdir, inherited, orphans)
        slot = Slot(package, process, workdir, orphans, cover, lease)
    except BaseException:
        os.close(task_pipe)
        os.close(report_pipe)
        lease.close()
        remove_directory(workdir)
        raise
    finally:
        for descriptor in inherited:
            os.close(descriptor)
    try:
        await slot.connect(task_pipe, report_pipe)
    except BaseException:
        start_once("ended process", slot.discard())
        raise
    return slot


def _open_channels() -> tuple[LeaseCell, tuple[int, int, int, int]]:
    """Return the shared memory of the lease, and the ends of the pipes for tasks and reports."""
    lease = LeaseCell()
    try:
        return lease, _open_pipes()
    except OSError:
        os.close(lease.descriptor)
        lease.close()
        raise


def _open_pipes() -> tuple[int, int, int, int]:
    """Make two pipes; return the reading and the writing end of each."""
    first = os.pipe()
    try:
        second = os.pipe()
    except OSError:
        for descriptor in first:
            os.close(descriptor)
        raise
    return *first, *second


START_DESCRIPTORS = 16
"""More descriptors than a start needs at any time."""


def _require_descriptors(descriptor: int) -> None:
    """Raise OSError if there are too few free descriptors for a start, found by duplicating one.

    uvloop leaks the descriptors that it has opened when it runs out of them.
    """
    duplicates: list[int] = []
    try:
        for _ in range(START_DESCRIPTORS):
            duplicates.append(os.dup(descriptor))  # noqa: PERF401 - closed if another one fails
    finally:
        for duplicate in duplicates:
            os.close(duplicate)


async def _spawn(
    package: HandlerPackage,
    command: Sequence[str],
    workdir: Path,
    inherited: tuple[int, int, int],
    orphans: Orphans | None,
) -> asyncio.subprocess.Process:
    supervisor_command = (
        sys.executable,
        "-I",
        "-S",
        supervisor.__file__,
        *map(str, inherited),
        json.dumps({"view": build_view(package, workdir), "secret": list(package.pass_env)}),
    )
    # Shielded: if this task is cancelled while the process starts, the process must still be ended.
    # A failure of the start is raised to the caller.
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *supervisor_command,
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=inherited,
            cwd=workdir,
            env=build_environment(workdir, package),
            start_new_session=True,
        )
    )
    if orphans is not None:
        orphans.expect(starting)
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        process = await starting
        if process.stdin is not None:
            process.stdin.close()
        raise
