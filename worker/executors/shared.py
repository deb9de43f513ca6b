"""Attempts that share a process: many of one handler package at a time, under one supervisor.

First the attempts' logs, then one attempt (`SharedAttempt`), then the process and what becomes of
its attempts when it ends (`SharedProcess`), then the executor, with one process for a handler
package. The process's own program is `apphub_jobs/process/shared.py`.
"""

import asyncio
import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from runtime.tasks import start_once
from worker.executors.local.attempt import FAREWELL_S, LOG_LIMIT_BYTES, described, how_it_ended
from worker.executors.local.masking import Masker
from worker.executors.local.orphans import Orphans
from worker.executors.local.reports import LEASE, NO_REPORT, SHARED_FIELDS, Said, fault_of, new_id
from worker.executors.local.slot import Slot, start_slot
from worker.executors.local.supervisor import CLOSING_S, Log
from worker.executors.local.workplace import SHARED_PROGRAM, Workplace
from worker.executors.packages import HandlerPackage
from worker.executors.port import TOGETHER, OnUpdate, Outcome, Task, need_lease

# Logs of attempts are written in a thread: a disk that hangs must not cost the worker its lease.

logger = logging.getLogger(__name__)

WAITING_BYTES = 32 * 1_048_576
"""What may wait for the disk, of all attempts together; what comes beyond it is left out."""


class AttemptLogs:
    """Writes what all attempts print, in one thread, in the order in which it came."""

    def __init__(self, kind: type[Log] = Log) -> None:
        """Begin with nothing to write.

        Args:
            kind: what a log is written by.
        """
        self._kind = kind
        self._thread = ThreadPoolExecutor(1, "attempt logs")
        self._given_bytes = 0
        self._written_bytes = 0

    def of(self, path: Path, secrets: Sequence[str] = ()) -> "AttemptLog":
        """Return the log of an attempt, in which these are masked."""
        return AttemptLog(self, path, secrets)

    @property
    def have_room(self) -> bool:
        """Return whether more may wait for the disk."""
        return self._given_bytes - self._written_bytes < WAITING_BYTES

    def write(self, content: bytes, log: Callable[[], Log]) -> None:
        """Keep this, soon."""
        self._given_bytes += len(content)
        self._thread.submit(self._write, content, log)

    def opened(self, path: Path) -> Log:
        """Return what writes a log."""
        return self._kind(str(path), LOG_LIMIT_BYTES)

    def close(self, closing: Callable[[], int]) -> "asyncio.Future[int]":
        """Close a log once all that came before is written."""
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._thread, closing)

    def end(self) -> None:
        """Let the thread end once it has written all."""
        self._thread.shutdown(wait=False)

    def _write(self, content: bytes, log: Callable[[], Log]) -> None:
        log().add(content)
        self._written_bytes += len(content)


class AttemptLog:
    """What one attempt prints, on its way to the file, which is there once something was printed.

    Attributes:
        is_used: whether anything is to be kept.
    """

    def __init__(self, logs: AttemptLogs, path: Path, secrets: Sequence[str]) -> None:
        self._masker = Masker(secrets)
        self.is_used = False
        self._logs = logs
        self._path = path
        self._left_out = 0
        self._log: Log | None = None

    def add(self, printed: bytes) -> None:
        """Keep what was printed, soon, if there is room."""
        self.is_used = True
        self._keep(self._masker.add(printed))

    def _keep(self, printed: bytes) -> None:
        if self._logs.have_room:
            self._logs.write(printed, self._opened)
        else:
            self._left_out += len(printed)

    def leave_out(self, size: int) -> None:
        """Count what has not even been passed on."""
        self.is_used = True
        self._left_out += size

    def when_whole(self, then: Callable[[], None]) -> None:
        """Write what is left, then call this; what could not be written is told.

        A disk that hangs is not waited for: then it is called before, and again after that.
        """
        if not self.is_used:
            then()
            return
        self._keep(self._masker.rest())
        closing = self._logs.close(self._close)
        closing.add_done_callback(self._tell_lost)
        closing.add_done_callback(lambda _: then())
        late = closing.get_loop().call_later(CLOSING_S, then)
        closing.add_done_callback(lambda _: late.cancel())

    def _tell_lost(self, closed: "asyncio.Future[int]") -> None:
        lost_bytes = closed.result()
        if lost_bytes:
            logger.warning("%s lacks %d bytes, which could not be written", self._path, lost_bytes)

    def _opened(self) -> Log:
        if self._log is None:
            self._log = self._logs.opened(self._path)
        return self._log

    def _close(self) -> int:
        log = self._opened()
        log.leave_out(self._left_out)
        log.close()
        return log.lost


TIMEOUT_GRACE_S = 2.0
"""How long an attempt whose time is over may take to end before it costs its process."""

End = Literal["canceled", "timeout"]


class AttemptProcess(Protocol):
    """The process in which an attempt goes on."""

    def ask(self, order: Mapping[str, Any]) -> None:
        """Give the process an order."""

    def give_up(self) -> None:
        """End it because an attempt does not end."""

    def stop(self) -> None:
        """End it because the worker stops."""


class SharedAttempt:
    """An attempt in a process that others use as well.

    Attributes:
        id: what its process knows it by, and no other handler.
        ends_as: why it was asked to end, if it was.
        is_overdue: whether it has not ended within its grace time.
    """

    def __init__(
        self, process: AttemptProcess, task: Task, on_update: OnUpdate, log: AttemptLog
    ) -> None:
        self.id = new_id()
        self.ends_as: End | None = None
        self.is_overdue = False
        self._process = process
        self._task = task
        self._on_update = on_update
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._has_ended = False
        self._fault: str | None = None
        self._over: asyncio.Future[Outcome] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None

    def let_time_run(self) -> None:
        """Begin with its timeout, if it has one."""
        timeout_ms = self._task.timeout_ms
        if timeout_ms is not None and not self._has_ended:
            self._timer = self._loop.call_later(timeout_ms / 1000, self._time_out)

    async def outcome(self) -> Outcome:
        """Wait for the end."""
        return await self._over

    def cancel(self, grace_s: float) -> None:
        """Ask it to stop; if it is still there after the grace time, its process is ended."""
        self._ask("canceled", grace_s)

    def stop(self) -> None:
        """End its process, with all who are there, because the worker stops."""
        if not self._has_ended:
            self._process.stop()

    def end_if_overdue(self, now: datetime) -> None:
        """End it as at its deadline, if that is over by a clock that has been moved."""
        deadline = self._task.deadline
        if deadline is not None and datetime.fromisoformat(deadline) <= now:
            self._time_out()

    def misreport(self, fault: str) -> None:
        """Have it end as `invalid_result`: its process said what no handler may say.

        What goes on is asked to stop, as by a cancel: it must not run beside the next attempt.
        """
        self._fault = self._fault or fault
        self._ask("canceled", TIMEOUT_GRACE_S)

    def fault_of(self, message: Mapping[str, Any]) -> str | None:
        """Return what is wrong with what the process said of it, if anything is."""
        kind = message["type"]
        if kind in ("canceled", "timeout") and kind != self.ends_as:
            return f"the process said {kind!r} of an attempt that nobody asked to end"
        return fault_of(message, SHARED_FIELDS)

    def reported(self, message: Mapping[str, Any]) -> None:
        """Keep what was printed, pass updates on, or take its end."""
        match message["type"]:
            case "output":
                printed = str(message["text"]).encode("latin-1", "replace")
                self._log.add(printed)
            case "update":
                self._on_update(message)
            case kind:
                left_out = message.get("leftOut")
                if isinstance(left_out, int) and left_out > 0:
                    self._log.leave_out(left_out)
                ended = Outcome(kind, message)
                self.end(ended)

    def end(self, outcome: Outcome) -> None:
        """Let it be over, once its log is whole."""
        if self._fault is not None:
            outcome = Outcome("invalid", {"message": self._fault})
        self._has_ended = True
        if self._timer is not None:
            self._timer.cancel()
        self._log.when_whole(lambda: self._be_over(outcome))

    def _time_out(self) -> None:
        self._ask("timeout", TIMEOUT_GRACE_S)

    def _ask(self, end: End, grace_s: float) -> None:
        if self._has_ended or self.ends_as is not None:
            return
        self.ends_as = end
        order = {"id": self.id, "end": end}
        self._process.ask(order)
        self._loop.call_later(grace_s, self._give_up)

    def _give_up(self) -> None:
        if not self._has_ended:
            self.is_overdue = True
            self._process.give_up()

    def _be_over(self, outcome: Outcome) -> None:
        if not self._over.done():
            self._over.set_result(outcome)


LAST_WORDS_BYTES = 4_096


def tell_last_words(crash: Outcome, log: Path) -> None:
    """Say to the operator what the process printed last, for no attempt's log has it."""
    last = b""
    with suppress(OSError), log.open("rb") as printed:
        size = printed.seek(0, os.SEEK_END)
        start = max(size - LAST_WORDS_BYTES, 0)
        printed.seek(start)
        last = printed.read()
    text = last.decode("utf-8", "replace")
    said = crash.message["message"]
    logger.warning("%s; the end of what it printed:\n%s", said, text)


MOST_ATTEMPTS = 100_000
"""How many attempts a process runs at most: what leaks slowly is gone with it."""

NAMING_S = 2.0
"""How long a process that is to be ended has to say which attempt is in the way of the others, or
that none is."""

STUCK = (
    "the shared process was ended because it stood still: something in C did not return, as the"
    " worker's output says, and any of its attempts may have been why"
)

IDLE_S = 300.0
"""How long a process without attempts stays at least; twice as long at most."""

LOADING_S = 30.0
"""How long a process may take to load its handlers before the time of its attempts runs all the
same."""


class SharedProcess:
    """A supervised process for many attempts at a time.

    To its supervisor, its whole life is one attempt: with a log of its own, a limit of memory, and
    the worker's lease.
    """

    def __init__(
        self,
        slot: Slot,
        memory_mb: int | None,
        logs: AttemptLogs,
        over: "Callable[[SharedProcess], None]",
    ) -> None:
        """Begin to listen.

        Args:
            slot: the process with its supervisor.
            memory_mb: what all attempts in it may use together; None for no limit.
            logs: where what attempts print is kept.
            over: called once it has ended, or is to be ended since nothing runs there any more.
        """
        self._slot = slot
        self._logs = logs
        self._tell_over = over
        self._attempts: dict[str, SharedAttempt] = {}
        self._given = 0
        self._orders: list[Said] = []
        self._is_given_up = False
        self._is_retired = False
        self._heard_all = False
        self._ended: Said | None = None
        self._is_known_why = False
        self._guilty: tuple[str, str] | None = None
        self._ended_as: Outcome | None = None
        self._crash: Outcome | None = None
        self._time_runs = False
        self._log = slot.workdir / "process.log"
        slot.listener = self
        slot.tell(
            {
                "log": str(self._log),
                "logLimitBytes": LOG_LIMIT_BYTES,
                "deadline": None,
                "memoryMb": memory_mb,
                "cpuBefore": None,
            }
        )
        start_once("shared process loading", self._let_time_run())
        self._retire_if_unused()

    @property
    def takes_more(self) -> bool:
        """Return whether an attempt may begin here."""
        is_leaving = self._is_given_up or self._is_retired
        is_full = self._given >= MOST_ATTEMPTS
        return self._slot.lives and not (is_leaving or is_full or self._is_over)

    @property
    def _is_over(self) -> bool:
        return self._ended_as is not None

    def begin(self, task: Task, on_update: OnUpdate) -> SharedAttempt:
        """Start an attempt."""
        self._given += 1
        log = self._logs.of(task.log_path, self._slot.secrets)
        attempt = SharedAttempt(self, task, on_update, log)
        if self._ended_as is not None:
            attempt.end(self._ended_as)
            return attempt
        self._attempts[attempt.id] = attempt
        if self._time_runs:
            attempt.let_time_run()
        order = {"id": attempt.id, "task": described(task)}
        self.ask(order)
        return attempt

    def ask(self, order: Said) -> None:
        """Give the process an order, in one write with all that are given now."""
        if not self._orders:
            asyncio.get_running_loop().call_soon(self._give_orders)
        self._orders.append(order)

    def renew(self, until: float) -> None:
        """Let it go on until this moment of the host's monotonic clock."""
        self._slot.renew(until)

    def end_overdue(self, now: datetime) -> None:
        """End the attempts that are past their deadlines by a clock that has been moved."""
        for attempt in list(self._attempts.values()):
            attempt.end_if_overdue(now)

    def give_up(self) -> None:
        """End it because an attempt does not end; the others begin again elsewhere."""
        if not self._is_given_up:
            self._is_given_up = True
            self._slot.tell({"cancel": NAMING_S})

    def stop(self) -> None:
        """End it because the worker stops."""
        self._slot.revoke()
        self._slot.tell({"stop": True})

    def retire(self) -> None:
        """Let it end once its last attempt has."""
        self._is_retired = True
        self._end_if_empty()

    def take_no_more(self) -> None:
        """Let it end once its last attempt has, unless it is ending by itself."""
        if not self._heard_all:
            self.retire()

    async def discard(self) -> None:
        """End it for good, and say what it printed last if it was not meant to end."""
        if self._crash is not None:
            await asyncio.to_thread(tell_last_words, self._crash, self._log)
        await self._slot.discard()

    def reported(self, message: Said) -> None:
        """Hear what the process says."""
        attempt_id = message.get("id")
        if message["type"] == "goes_on":
            self._went_on()
        elif not isinstance(attempt_id, str):
            self.misreported(NO_REPORT)
        elif attempt_id in self._attempts:
            self._heard_of(self._attempts[attempt_id], message)
        # Else it has ended, and left behind what still reports; or nobody has such an id.

    def misreported(self, fault: str) -> None:
        """Hear that the process said what nobody can read.

        Where several attempts are there, nobody knows whose word it was, and all may go on; others
        begin elsewhere.
        """
        if self._is_given_up or self._is_over:
            return  # It is being ended, and may have broken a line itself.
        if not self._is_retired:
            logger.warning("a shared process takes no more attempts: %s", fault)
        if len(self._attempts) == 1:
            [attempt] = self._attempts.values()
            attempt.misreport(fault)
        self.retire()

    def reports_ended(self) -> None:
        """Hear that the process, and whoever else could have spoken for it, is gone."""
        self._heard_all = True
        if self._ended is not None:
            self._end(self._ended)

    def supervisor_said(self, ended: Said | None) -> None:
        """Hear how the supervisor saw the process end; None: the supervisor itself is gone."""
        self._ended = self._ended or ended
        if self._heard_all:
            self._end(self._ended)
            return
        # The last words may be on their way.
        loop = asyncio.get_running_loop()
        loop.call_later(FAREWELL_S, self._end, self._ended)

    async def _let_time_run(self) -> None:
        """Begin with timeouts once the handlers are loaded: nobody has started it ahead."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOADING_S):
                await self._slot.loaded.wait()
        self._time_runs = True
        for attempt in self._attempts.values():
            attempt.let_time_run()

    def _give_orders(self) -> None:
        self._slot.give(*self._orders)
        self._orders.clear()

    def _heard_of(self, attempt: SharedAttempt, message: Said) -> None:
        kind = message["type"]
        if kind == "in_the_way":
            self._interrupted(attempt, message)
            return
        fault = attempt.fault_of(message)
        if kind == LEASE and not self._slot.forbids_beginning:
            fault = "the process did not begin, though the lease holds"
        if fault is not None:
            attempt.misreport(fault)
            return
        attempt.reported(message)
        if kind not in ("output", "update"):
            del self._attempts[attempt.id]
            self._end_if_empty()

    def _interrupted(self, attempt: SharedAttempt, message: Said) -> None:
        """Note in whose midst the process stands, if that was asked for."""
        stack = message.get("stack")
        if self._is_given_up and isinstance(stack, str):
            self._guilty = (attempt.id, stack)

    def _went_on(self) -> None:
        """Forget who was interrupted, for nobody was in the way, and wait no longer."""
        self._guilty = None
        # Whoever stops a service may send SIGTERM to all its processes, and nobody has asked.
        if self._is_given_up:
            self._is_known_why = True
            self.stop()

    def _end_if_empty(self) -> None:
        if self._is_retired and not self._attempts:
            self._end(None)

    def _retire_if_unused(self, given_before: int | None = None) -> None:
        """Retire it once nothing has run between two looks."""
        is_unused = self._given == given_before and not self._attempts
        if is_unused:
            self.retire()
            return
        loop = asyncio.get_running_loop()
        self._look = loop.call_later(IDLE_S, self._retire_if_unused, self._given)

    def _end(self, ended: Said | None) -> None:
        """Let all that ran here be over, as this says or, without it, for want of a supervisor."""
        if self._is_over:
            return
        self._look.cancel()
        self._slot.listener = None
        left = list(self._attempts.values())
        self._attempts.clear()
        outcome = self._outcome(ended, len(left))
        self._ended_as = outcome
        if left and outcome.kind in ("exit", "signal", "out_of_memory"):
            self._crash = outcome
        for attempt in left:
            attempt.end(self._outcome_of(attempt, outcome))
        self._tell_over(self)

    def _outcome(self, ended: Said | None, left: int) -> Outcome:
        """Return how the attempts ended that ended only because their process did."""
        if self._is_given_up:
            return self._outcome_of_giving_up(ended)
        if ended is None and self._slot.lapsed:
            return Outcome("lease")
        if self._is_retired and not left:
            return Outcome("stopped")
        told = how_it_ended(ended)
        if told.kind in ("stopped", "lease") or left == 1:
            return told
        said = told.message["message"]
        message = f"{said}; {left} attempts shared the process, any may have been why"
        return Outcome(told.kind, {"message": message})

    def _outcome_of_giving_up(self, ended: Said | None) -> Outcome:
        was_waited_for = ended is not None and ended["cause"] == "canceled"
        is_known_why = self._is_known_why or self._guilty is not None
        is_loaded = self._slot.loaded.is_set()
        if was_waited_for and is_loaded and not is_known_why:
            # Somebody calls C that returns to nobody. Beginning again would go on for ever.
            return Outcome("signal", {"message": STUCK})
        return Outcome("stopped")

    def _outcome_of(self, attempt: SharedAttempt, outcome: Outcome) -> Outcome:
        if attempt.is_overdue and attempt.ends_as is not None:
            return Outcome(attempt.ends_as)
        if self._guilty is None or self._guilty[0] != attempt.id:
            return outcome
        message = (
            "it kept the other attempts of its shared process from going on, so the process was"
            " ended: await what takes long, or give the job isolation 'process'"
        )
        return Outcome(
            "error",
            {
                "message": message,
                "stack": self._guilty[1],
                "permanent": False,
                "retryAfterMs": None,
            },
        )


_Key = tuple[HandlerPackage, int | None]
"""A handler package and a limit of memory in MB, which is the process's as a whole."""


class SharedExecutor:
    """The `Executor` of the port for attempts that do without a process to themselves.

    A process is started for the first attempt that needs it, and stays until it has had nothing to
    do for a while.
    """

    def __init__(
        self, packages: Mapping[str, HandlerPackage], orphans: Orphans | None = None
    ) -> None:
        """Make an executor; nothing is started yet.

        Args:
            packages: by the entry points of their handlers.
            orphans: who ends what a killed supervisor leaves; None where nobody does.
        """
        self._packages = packages
        self._orphans = orphans
        self._workplace: Workplace | None = None
        self._logs = AttemptLogs()
        self._lease_until = 0.0
        self._current: dict[_Key, asyncio.Task[SharedProcess]] = {}
        self._all: set[SharedProcess] = set()
        self._leaving: set[asyncio.Task[None]] = set()

    capabilities = TOGETHER

    @property
    def room(self) -> float:
        """Return that only slots count."""
        return math.inf

    async def aclose(self) -> None:
        """End all processes, and remove where they worked."""
        if self._current:
            await asyncio.wait(self._current.values())
        for process in list(self._all):
            process.retire()
        await asyncio.gather(*self._leaving)
        self._logs.end()
        if self._workplace is not None:
            await asyncio.to_thread(self._workplace.close)

    def offer(self, packages: Mapping[str, HandlerPackage]) -> None:
        """Run these handlers from now on, by entry point; what runs already goes on as it began."""
        self._packages = packages
        offered = set(packages.values())
        for key in list(self._current):
            package, _ = key
            if package not in offered:
                starting = self._current.pop(key)
                starting.add_done_callback(_retire)

    def renew(self, until: float) -> None:
        """Let all processes go on until this moment of the monotonic clock."""
        self._lease_until = until
        for process in self._all:
            process.renew(until)

    def end_session(self) -> None:
        """Do nothing: an attempt on this host that was stopped never begins."""

    def end_overdue(self, now: datetime) -> None:
        """End what is past its deadline by a clock that has been moved: that of a test service."""
        for process in self._all:
            process.end_overdue(now)

    async def submit(self, task: Task, on_update: OnUpdate, until: float) -> SharedAttempt:
        """Start an attempt beside others of its handler's package.

        Raises:
            LeaseOverError: the lease is over.
        """
        self._lease_until = max(until, self._lease_until)
        need_lease(self._lease_until)
        package = self._packages[task.entry_point]
        key = (package, task.memory_mb)
        process = await self._process(key)
        if not process.takes_more:
            # A new one that takes no more either ends it at once: nobody starts a third.
            process = await self._process(key)
        need_lease(self._lease_until)
        return process.begin(task, on_update)

    async def _process(self, key: _Key) -> SharedProcess:
        """Return the process that takes such attempts, started by whoever was first.

        One that takes no more is left, and whoever comes next starts another.
        """
        starting = self._current.get(key)
        if starting is None:
            start = self._start(key)
            starting = start_once("shared process", start)
            self._current[key] = starting
        try:
            process = await asyncio.shield(starting)
        except OSError:
            self._leave(key, starting)
            raise
        if not process.takes_more:
            self._leave(key, starting)
            process.take_no_more()
        return process

    def _leave(self, key: _Key, starting: "asyncio.Task[SharedProcess]") -> None:
        # Somebody else who waited for it may have started the next one already.
        if self._current.get(key) is starting:
            del self._current[key]

    async def _start(self, key: _Key) -> SharedProcess:
        package, memory_mb = key
        if self._workplace is None:
            self._workplace = Workplace()
        directory = self._workplace.new_directory()
        starting = start_slot(package, directory, self._orphans, SHARED_PROGRAM)
        slot = await starting
        process = SharedProcess(slot, memory_mb, self._logs, self._over)
        process.renew(self._lease_until)
        self._all.add(process)
        return process

    def _over(self, process: SharedProcess) -> None:
        self._all.discard(process)
        discarding = process.discard()
        leaving = start_once("ended process", discarding)
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)


def _retire(starting: "asyncio.Task[SharedProcess]") -> None:
    if not starting.cancelled() and starting.exception() is None:
        starting.result().retire()
