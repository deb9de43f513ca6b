"""A slot for attempts: a handlers' process with its supervisor, started ahead of its first task.

First lines that come through a pipe (`LineReader`), then the slot, then its start (`start_slot`).
"""

import asyncio
import json
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import orjson
import uvloop

from runtime.tasks import start_once
from worker.executors.local import supervisor
from worker.executors.local.lease import LeaseCell
from worker.executors.local.masking import masked, secrets_in
from worker.executors.local.orphans import Orphans
from worker.executors.local.reports import message_of, seconds
from worker.executors.local.workplace import (
    PROGRAM,
    Cover,
    command_line,
    environment,
    pipes,
    remove,
    require_room,
    view_of,
)
from worker.executors.packages import HandlerPackage

# Lines from a pipe, without a task or a future for each.


class LineReader(asyncio.Protocol):
    """Calls back with each line, and at the end; once with None for a line that is too long."""

    def __init__(
        self, limit_bytes: int, line_came: Callable[[bytes | None], None], ended: Callable[[], None]
    ) -> None:
        self._limit_bytes = limit_bytes
        self._line_came = line_came
        self._ended = ended
        self._parts: list[bytes] = []
        self._waiting_bytes = 0
        self._is_skipping = False

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        *ended, rest = data.split(b"\n")
        for part in ended:
            self._keep(part)
            line = b"".join(self._parts)
            was_too_long = self._is_skipping
            self._begin_line()
            if not was_too_long:
                self._line_came(line)
        self._keep(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that there will be no more; what has no end of line is none."""
        del exc
        self._ended()

    def _begin_line(self) -> None:
        self._parts.clear()
        self._waiting_bytes = 0
        self._is_skipping = False

    def _keep(self, part: bytes) -> None:
        """Add a part to the line that is not yet whole, unless that is too long."""
        if self._is_skipping:
            return
        self._parts.append(part)
        self._waiting_bytes += len(part)
        if self._waiting_bytes > self._limit_bytes:
            self._is_skipping = True
            self._parts.clear()
            self._line_came(None)


REPORT_LIMIT_BYTES = 8 * 1_048_576
"""The longest message an attempt may send. Above the domain's limit of a result, which answers more
kindly."""

TOO_LONG = f"a result or report of more than {REPORT_LIMIT_BYTES} bytes"
NO_JSON = "a result or report that is no JSON"


class Listener(Protocol):
    """Whoever runs an attempt in a slot."""

    def reported(self, message: Mapping[str, Any]) -> None:
        """Hear what the process says."""

    def misreported(self, fault: str) -> None:
        """Hear that the process said what nobody can read; the fault says what it was."""

    def reports_ended(self) -> None:
        """Hear that the process, and whoever else could have spoken for it, is gone."""

    def supervisor_said(self, ended: Mapping[str, Any] | None) -> None:
        """Hear how the supervisor saw the attempt end; None: the supervisor itself is gone."""


class Slot:
    """A supervisor and its handlers' process: for one attempt at a time, until one goes wrong.

    Attributes:
        package: whose handlers run here.
        listener: whose attempt it is at the moment.
        cpu_s: what the process had used when it was last heard of.
        loaded: set once its handlers are loaded, or never will be.
        secrets: what is masked in what its attempts print and say.
    """

    def __init__(  # noqa: PLR0913 - its parts
        self,
        package: HandlerPackage,
        process: asyncio.subprocess.Process,
        workdir: Path,
        orphans: Orphans | None,
        cover: Cover,
        lease: LeaseCell,
    ) -> None:
        self.package = package
        self.process = process
        self.workdir = workdir
        self.secrets = secrets_in(os.environ, package.pass_env)
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
        self._lives = True
        self._hearing: asyncio.Task[None] | None = None

    async def connect(self, giving: int, receiving: int) -> None:
        """Start to give tasks and to listen."""
        loop = asyncio.get_running_loop()
        # uvloop's library closes what it is given, and uvloop then closes the same number again: by
        # then it may be a file of another thread, whose closing would hit the next in turn.
        closes_itself = not isinstance(loop, uvloop.Loop)
        reader = LineReader(REPORT_LIMIT_BYTES, self._reported, self._reports_ended)
        reports = os.fdopen(receiving, "rb", buffering=0, closefd=closes_itself)
        try:
            await loop.connect_read_pipe(lambda: reader, reports)
        except BaseException:
            os.close(giving)
            raise
        tasks = os.fdopen(giving, "wb", buffering=0, closefd=closes_itself)
        self._tasks, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, tasks)
        hearing = self._hear_supervisor()
        self._hearing = start_once("supervisor", hearing)

    @property
    def lives(self) -> bool:
        """Return whether it can take an attempt."""
        has_ended = self.process.returncode is not None
        is_running = self._lives and not self.forbids_beginning and not has_ended
        return is_running and self._cover.holds

    @property
    def lapsed(self) -> bool:
        """Return whether its lease was ever over: its supervisor may have ended for that."""
        return self._lapsed or monotonic() > self._lease_until

    @property
    def forbids_beginning(self) -> bool:
        """Return whether its process ever had a reason not to begin with what it was given."""
        return self.lapsed or self._is_revoked

    def next_attempt(self) -> int:
        """Count the next attempt; the process counts its directories likewise."""
        self._attempts += 1
        return self._attempts

    def workdir_of(self, attempt: int) -> Path:
        """Return where the attempt of this number works."""
        return self.workdir / str(attempt)

    def give(self, *tasks: Mapping[str, Any]) -> None:
        """Give the process tasks, in one write."""
        given = self._tasks
        if given is not None and not given.is_closing():
            lines = b"".join(map(_line, tasks))
            given.write(lines)

    def tell(self, command: Mapping[str, Any]) -> None:
        """Say something to the supervisor."""
        orders = self.process.stdin
        if orders is not None and not orders.is_closing():
            line = _line(command)
            orders.write(line)

    def renew(self, until: float) -> None:
        """Let whatever runs here go on until this moment."""
        if until != self._lease_until and not self._is_revoked:
            before, self._lease_until = self._lease_until, until
            # First the process, then the clock: whatever it has refused, it refused for a lease
            # that is known here to have been over.
            self._lease.write(until)
            self._lapsed = self._lapsed or monotonic() > before
            self.tell({"renew": until})

    def revoke(self) -> None:
        """Let nothing begin here any more, for good, whatever the process has been given."""
        self._is_revoked = True
        self._lease.write(-math.inf)

    def hang_up(self) -> None:
        """End whatever still runs: to the supervisor, the end of its input is the worker's end."""
        self._lives = False
        self.revoke()
        orders = self.process.stdin
        if orders is not None:
            orders.close()
        tasks = self._tasks
        if tasks is not None and not tasks.is_closing():
            tasks.abort()

    async def discard(self) -> None:
        """End it for good."""
        self.hang_up()
        await self.process.wait()
        if self._hearing is not None:
            await self._hearing
        self._lease.close()
        await asyncio.to_thread(remove, self.workdir)

    def _reported(self, line: bytes | None) -> None:
        if line == b"":
            return
        message = None if line is None else message_of(line)
        if message is None and self.listener is not None:
            self.listener.misreported(TOO_LONG if line is None else NO_JSON)
        elif message is not None and message["type"] == "ready":
            self._heard_of(message)
            self.loaded.set()
        elif message is not None and self.listener is not None:
            told = without_secrets(message, self.secrets)
            self.listener.reported(told)
        else:
            self.hang_up()  # Whoever speaks there has no task.

    def _heard_of(self, message: Mapping[str, Any]) -> None:
        cpu_s = seconds(message.get("cpuTotal"))
        if cpu_s is not None:
            self.cpu_s = cpu_s

    def _reports_ended(self) -> None:
        self._lives = False
        self.loaded.set()
        if self.listener is not None:
            self.listener.reports_ended()
        else:
            # It ended with nothing to do, and its supervisor need not wait for what could be said
            # of it.
            self.hang_up()

    async def _hear_supervisor(self) -> None:
        if self.process.stdout is not None:
            async for line in self.process.stdout:
                self._supervisor_said(line)
        self._lives = False
        # By itself it ends with 0, once nothing is left below it.
        if await self.process.wait() != 0 and self._orphans is not None:
            await self._orphans.end()
        if self.listener is not None:
            self.listener.supervisor_said(None)

    def _supervisor_said(self, line: bytes) -> None:
        if self.listener is not None:
            self.listener.supervisor_said(json.loads(line))


def _line(message: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # A path or a variable of the system need not be UTF-8.
        return json.dumps(message).encode() + b"\n"


def without_secrets(message: Mapping[str, Any], secrets: Sequence[str]) -> Mapping[str, Any]:
    """Return a message whose texts about an error tell none of these."""
    if not secrets:
        return message
    told = {name: message[name] for name in _ABOUT_ERRORS if name in message}
    hidden = {name: masked(text, secrets) for name, text in told.items() if isinstance(text, str)}
    return {**message, **hidden}


_ABOUT_ERRORS = ("message", "stack", "error_message")


async def start_slot(
    package: HandlerPackage, workdir: Path, orphans: Orphans | None, program: str = PROGRAM
) -> Slot:
    """Start a supervisor and its handlers' process, whose attempts work below this directory."""
    cover = Cover(package.hidden, workdir)
    try:
        lease, (tasks, giving, receiving, reports) = _channels()
    except OSError:
        # Nothing has been there, and this takes no descriptor.
        os.rmdir(workdir)  # noqa: PTH106
        raise
    passed = (tasks, reports, lease.descriptor)
    try:
        require_room(tasks)
        command = command_line(program, package)
        process = await _spawn(package, command, workdir, passed, orphans)
        slot = Slot(package, process, workdir, orphans, cover, lease)
    except BaseException:
        os.close(giving)
        os.close(receiving)
        lease.close()
        remove(workdir)
        raise
    finally:
        for descriptor in passed:
            os.close(descriptor)
    try:
        await slot.connect(giving, receiving)
    except BaseException:
        start_once("ended process", slot.discard())
        raise
    return slot


def _channels() -> tuple[LeaseCell, tuple[int, int, int, int]]:
    """Return what a process sees of the lease, and the ends of its pipes."""
    lease = LeaseCell()
    try:
        return lease, pipes()
    except OSError:
        os.close(lease.descriptor)
        lease.close()
        raise


async def _spawn(
    package: HandlerPackage,
    command: Sequence[str],
    workdir: Path,
    passed: tuple[int, int, int],
    orphans: Orphans | None,
) -> asyncio.subprocess.Process:
    supervising = (
        sys.executable,
        "-I",
        "-S",
        supervisor.__file__,
        *map(str, passed),
        json.dumps({"view": view_of(package, workdir), "secret": list(package.pass_env)}),
    )
    # Shielded: a process that starts while its task is cancelled must still be found and ended. A
    # failure is told by whoever waits for it.
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *supervising,
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=passed,
            cwd=workdir,
            env=environment(workdir, package),
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
