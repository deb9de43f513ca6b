"""Runs attempts in shared processes: each runs many attempts of one handler package at a time.

First the attempts' logs, then one attempt (`SharedAttempt`), then a process and how its attempts
end with it (`SharedProcess`), then the executor. The program of a process is
`apphub_jobs/process/shared.py`.
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
from worker.executors.local.attempt import (
    FAREWELL_S,
    LOG_LIMIT_BYTES,
    build_task_message,
    describe_outcome,
)
from worker.executors.local.handler_process import SHARED_PROGRAM
from worker.executors.local.masking import Masker
from worker.executors.local.orphans import Orphans
from worker.executors.local.reports import (
    LEASE,
    NO_REPORT,
    SHARED_FIELDS,
    Message,
    find_fault,
    new_attempt_id,
)
from worker.executors.local.slot import Slot, start_slot
from worker.executors.local.supervisor import CLOSING_S, STDERR, STDOUT, Log
from worker.executors.local.workplace import Workplace
from worker.executors.packages import HandlerPackage
from worker.executors.port import SHARED, OnUpdate, Outcome, Task, require_lease

logger = logging.getLogger(__name__)

MAX_PENDING_BYTES = 32 * 1_048_576
"""How much output of all attempts together may wait for the disk; more is dropped."""


class AttemptLogs:
    """Writes the output of all attempts in one thread, in order.

    In a thread, because a disk that hangs must not cost the worker its lease.
    """

    def __init__(self, log_type: type[Log] = Log) -> None:
        self._log_type = log_type
        self._thread = ThreadPoolExecutor(1, "attempt logs")
        self._accepted_bytes = 0
        self._written_bytes = 0

    def log_at(self, path: Path, secrets: Sequence[str] = ()) -> "AttemptLog":
        """Return the log of an attempt, in which these secrets are masked."""
        return AttemptLog(self, path, secrets)

    @property
    def has_capacity(self) -> bool:
        """Whether more output may wait for the disk."""
        return self._accepted_bytes - self._written_bytes < MAX_PENDING_BYTES

    def write(self, content: bytes, stream: int, get_log: Callable[[], Log]) -> None:
        """Write output of a stream in the thread, to the log that `get_log` returns there."""
        self._accepted_bytes += len(content)
        self._thread.submit(self._write, content, stream, get_log)

    def open(self, path: Path) -> Log:
        """Open the file of a log."""
        return self._log_type(str(path), LOG_LIMIT_BYTES)

    def close(self, close_log: Callable[[], int]) -> "asyncio.Future[int]":
        """Close a log in the thread, once its output is written."""
        return asyncio.get_running_loop().run_in_executor(self._thread, close_log)

    def end(self) -> None:
        """Let the thread end once it has written all output."""
        self._thread.shutdown(wait=False)

    def _write(self, content: bytes, stream: int, get_log: Callable[[], Log]) -> None:
        get_log().add((content, stream))
        self._written_bytes += len(content)


class AttemptLog:
    """Writes the output of one attempt to a file, which is made at the first output.

    Attributes:
        is_used: whether there was any output.
    """

    def __init__(self, logs: AttemptLogs, path: Path, secrets: Sequence[str]) -> None:
        self._maskers = {stream: Masker(secrets) for stream in (STDOUT, STDERR)}
        self.is_used = False
        self._logs = logs
        self._path = path
        self._dropped_bytes = 0
        self._log: Log | None = None

    def add(self, output: bytes, stream: int = STDOUT) -> None:
        """Write output of a stream in the background; drop it if too much waits for the disk."""
        self.is_used = True
        self._write(self._maskers[stream].add(output), stream)

    def count_dropped(self, size: int) -> None:
        """Count output that the process has dropped."""
        self.is_used = True
        self._dropped_bytes += size

    def close(self, on_closed: Callable[[], None]) -> None:
        """Write the rest and close the file; a warning has the number of bytes that are missing.

        Args:
            on_closed: called once all is written. If the disk hangs, it is called after
                `CLOSING_S`, and again once all is written.
        """
        if not self.is_used:
            on_closed()
            return
        for stream, masker in self._maskers.items():
            self._write(masker.flush(), stream)
        closed = self._logs.close(self._close)
        closed.add_done_callback(self._warn_of_lost)
        closed.add_done_callback(lambda _: on_closed())
        timer = closed.get_loop().call_later(CLOSING_S, on_closed)
        closed.add_done_callback(lambda _: timer.cancel())

    def _write(self, output: bytes, stream: int) -> None:
        if self._logs.has_capacity:
            self._logs.write(output, stream, self._get_log)
        else:
            self._dropped_bytes += len(output)

    def _get_log(self) -> Log:
        """Return the log, opened at the first call. Call it in the thread only."""
        if self._log is None:
            self._log = self._logs.open(self._path)
        return self._log

    def _close(self) -> int:
        log = self._get_log()
        log.count_dropped(self._dropped_bytes)
        log.close()
        return log.lost

    def _warn_of_lost(self, closed: "asyncio.Future[int]") -> None:
        if lost_bytes := closed.result():
            logger.warning("%s lacks %d bytes, which could not be written", self._path, lost_bytes)


TIMEOUT_GRACE_S = 2.0
"""How long an attempt may take to end after its timeout before its process is ended."""

EndReason = Literal["canceled", "timeout"]


class AttemptProcess(Protocol):
    """The process that runs an attempt."""

    def send(self, order: Mapping[str, Any]) -> None:
        """Send the process an order."""

    def abandon(self) -> None:
        """End it because an attempt does not end."""

    def stop(self) -> None:
        """End it because the worker stops."""


class SharedAttempt:
    """An attempt in a shared process.

    Attributes:
        id: a secret that only the process knows, and no other handler.
        end_reason: why its end was requested; None if it was not.
        is_overdue: whether it has not ended within the grace time.
    """

    def __init__(
        self, process: AttemptProcess, task: Task, on_update: OnUpdate, log: AttemptLog
    ) -> None:
        self.id = new_attempt_id()
        self.end_reason: EndReason | None = None
        self.is_overdue = False
        self._process = process
        self._task = task
        self._on_update = on_update
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._has_ended = False
        self._fault: str | None = None
        self._outcome_future: asyncio.Future[Outcome] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None

    def start_timeout(self) -> None:
        """Start its timeout, if it has one."""
        timeout_ms = self._task.timeout_ms
        if timeout_ms is not None and not self._has_ended:
            self._timer = self._loop.call_later(timeout_ms / 1000, self._time_out)

    has_begun = True

    async def outcome(self) -> Outcome:
        """Wait for the end."""
        return await self._outcome_future

    def cancel(self, grace_s: float) -> None:
        """Request its end; if it still runs after the grace time, its process is ended."""
        self._request_end("canceled", grace_s)

    def stop(self) -> None:
        """End its process, with all of its attempts, because the worker stops."""
        if not self._has_ended:
            self._process.stop()

    def end_if_overdue(self, now: datetime) -> None:
        """End it as timed out if its deadline has passed by a clock that was moved."""
        if self._task.is_overdue(now):
            self._time_out()

    def invalidate(self, fault: str) -> None:
        """End it as invalid, because its process sent an invalid message.

        If it still runs, its end is requested as by a cancel, so that it does not run at the same
        time as the next attempt.
        """
        self._fault = self._fault or fault
        self._request_end("canceled", TIMEOUT_GRACE_S)

    def find_fault(self, message: Mapping[str, Any]) -> str | None:
        """Return what is wrong with a message about it; None if the message is valid."""
        kind = message["type"]
        if kind in ("canceled", "timeout") and kind != self.end_reason:
            return f"the process said {kind!r} of an attempt whose end was not requested"
        return find_fault(message, SHARED_FIELDS)

    def on_message(self, message: Mapping[str, Any]) -> None:
        """Write its output, forward its updates, or end it."""
        match message["type"]:
            case "output":
                stream = STDERR if message.get("stream") == "stderr" else STDOUT
                self._log.add(str(message["text"]).encode("latin-1", "replace"), stream)
            case "update":
                self._on_update(message)
            case kind:
                dropped_bytes = message.get("leftOut")
                if isinstance(dropped_bytes, int) and dropped_bytes > 0:
                    self._log.count_dropped(dropped_bytes)
                self.end(Outcome(kind, message))

    def end(self, outcome: Outcome) -> None:
        """Close its log, then set its outcome."""
        if self._fault is not None:
            outcome = Outcome("invalid", {"message": self._fault})
        self._has_ended = True
        if self._timer is not None:
            self._timer.cancel()
        self._log.close(lambda: self._set_outcome(outcome))

    def _time_out(self) -> None:
        self._request_end("timeout", TIMEOUT_GRACE_S)

    def _request_end(self, reason: EndReason, grace_s: float) -> None:
        if self._has_ended or self.end_reason is not None:
            return
        self.end_reason = reason
        self._process.send({"id": self.id, "end": reason})
        self._loop.call_later(grace_s, self._force_end)

    def _force_end(self) -> None:
        if not self._has_ended:
            self.is_overdue = True
            self._process.abandon()

    def _set_outcome(self, outcome: Outcome) -> None:
        if not self._outcome_future.done():
            self._outcome_future.set_result(outcome)


MAX_ATTEMPTS = 100_000
"""How many attempts a process runs at most, so that its end stops slow leaks."""

NAMING_S = 2.0
"""How long a process that is to be ended may take to name the attempt that blocks the others, or to
report that none does."""

STUCK = (
    "the shared process was ended because it stood still: something in C did not return, as the"
    " worker's output says, and any of its attempts may have been why"
)

IDLE_S = 300.0
"""How long a process without attempts is kept at least; at most, twice as long."""

LOADING_S = 30.0
"""How long a process may take to load its handlers before the timeouts of its attempts begin."""


class SharedProcess:
    """A supervised process that runs many attempts at a time.

    Its supervisor sees the whole life of the process as one attempt, with a log of its own, a
    memory limit, and the worker's lease.
    """

    def __init__(
        self,
        slot: Slot,
        memory_mb: int | None,
        logs: AttemptLogs,
        on_over: "Callable[[SharedProcess], None]",
    ) -> None:
        """Use the process in a slot, and receive its messages.

        Args:
            slot: the process with its supervisor.
            memory_mb: the memory limit of all attempts in it together; None for no limit.
            logs: the attempts' logs.
            on_over: called once it has ended, or can be ended as nothing runs in it any more.
        """
        self._slot = slot
        self._logs = logs
        self._on_over = on_over
        self._attempts: dict[str, SharedAttempt] = {}
        self._started_count = 0
        self._orders: list[Message] = []
        self._is_abandoned = False
        self._is_retired = False
        self._reports_closed = False
        self._end_report: Message | None = None
        self._loop_continued = False
        # The id of the attempt that blocks the others, and its stack.
        self._blocker: tuple[str, str] | None = None
        self._outcome: Outcome | None = None
        self._crash: Outcome | None = None
        self._timeouts_run = False
        self._log = slot.workdir / "process.log"
        slot.listener = self
        slot.command(
            {
                "log": str(self._log),
                "logLimitBytes": LOG_LIMIT_BYTES,
                "deadline": None,
                "memoryMb": memory_mb,
                "cpuBefore": None,
            }
        )
        start_once("shared process loading", self._start_timeouts())
        self._retire_if_unused()

    @property
    def accepts_attempts(self) -> bool:
        """Whether more attempts may start here."""
        is_ending = self._is_abandoned or self._is_retired or self._is_over
        return self._slot.is_alive and not is_ending and self._started_count < MAX_ATTEMPTS

    @property
    def _is_over(self) -> bool:
        return self._outcome is not None

    def start(self, task: Task, on_update: OnUpdate) -> SharedAttempt:
        """Start an attempt; if the process is over, the attempt ends at once."""
        self._started_count += 1
        log = self._logs.log_at(task.log_path, self._slot.secrets)
        attempt = SharedAttempt(self, task, on_update, log)
        if self._outcome is not None:
            attempt.end(self._outcome)
            return attempt
        self._attempts[attempt.id] = attempt
        if self._timeouts_run:
            attempt.start_timeout()
        self.send({"id": attempt.id, "task": build_task_message(task)})
        return attempt

    def send(self, order: Message) -> None:
        """Send the process an order, in one write with other orders of the same moment."""
        if not self._orders:
            asyncio.get_running_loop().call_soon(self._flush_orders)
        self._orders.append(order)

    def renew(self, until: float) -> None:
        """Extend its lease to this time of the host's monotonic clock."""
        self._slot.renew(until)

    def end_overdue(self, now: datetime) -> None:
        """End the attempts whose deadline is over by a test service's clock, which can be moved."""
        for attempt in list(self._attempts.values()):
            attempt.end_if_overdue(now)

    def abandon(self) -> None:
        """End it because an attempt does not end; its other attempts are started again."""
        if not self._is_abandoned:
            self._is_abandoned = True
            self._slot.command({"cancel": NAMING_S})

    def stop(self) -> None:
        """End it because the worker stops."""
        self._slot.revoke()
        self._slot.command({"stop": True})

    def retire(self) -> None:
        """Accept no more attempts, and end once the last one has ended."""
        self._is_retired = True
        self._end_if_empty()

    def retire_unless_ending(self) -> None:
        """Retire it, unless it is ending by itself."""
        if not self._reports_closed:
            self.retire()

    async def discard(self) -> None:
        """End the process and remove its directory; if it crashed, log the end of its output."""
        if self._crash is not None:
            await asyncio.to_thread(log_crash, self._crash, self._log)
        await self._slot.discard()

    def on_message(self, message: Message) -> None:
        """Deliver a message of the process to its attempt."""
        attempt_id = message.get("id")
        if message["type"] == "unblocked":
            self._on_unblocked()
        elif not isinstance(attempt_id, str):
            self.on_fault(NO_REPORT)
        elif attempt_id in self._attempts:
            self._deliver(self._attempts[attempt_id], message)
        # Otherwise a process that an ended attempt left sent it, or the id is made up.

    def on_fault(self, fault: str) -> None:
        """Retire the process because it sent an invalid message.

        If one attempt is running, it is the sender and ends. If several are, the sender is unknown,
        and they continue.
        """
        if self._is_abandoned or self._is_over:
            return  # A process that is being ended may write an incomplete line.
        if not self._is_retired:
            logger.warning("a shared process takes no more attempts: %s", fault)
        if len(self._attempts) == 1:
            [attempt] = self._attempts.values()
            attempt.invalidate(fault)
        self.retire()

    def on_reports_closed(self) -> None:
        """Record that the pipe for reports is closed: there will be no more messages."""
        self._reports_closed = True
        if self._end_report is not None:
            self._end(self._end_report)

    def on_attempt_ended(self, end_report: Message | None) -> None:
        """Record the supervisor's report of the process's end; None: the supervisor has ended."""
        self._end_report = self._end_report or end_report
        if self._reports_closed:
            self._end(self._end_report)
            return
        # The last messages may still arrive.
        asyncio.get_running_loop().call_later(FAREWELL_S, self._end, self._end_report)

    async def _start_timeouts(self) -> None:
        """Start the attempts' timeouts once the handlers are loaded."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOADING_S):
                await self._slot.loaded.wait()
        self._timeouts_run = True
        for attempt in self._attempts.values():
            attempt.start_timeout()

    def _flush_orders(self) -> None:
        self._slot.send_tasks(*self._orders)
        self._orders.clear()

    def _deliver(self, attempt: SharedAttempt, message: Message) -> None:
        kind = message["type"]
        if kind == "blocking":
            self._set_blocker(attempt, message)
            return
        fault = attempt.find_fault(message)
        if kind == LEASE and not self._slot.forbids_beginning:
            fault = "the process did not begin, though the lease holds"
        if fault is not None:
            attempt.invalidate(fault)
            return
        attempt.on_message(message)
        if kind not in ("output", "update"):
            del self._attempts[attempt.id]
            self._end_if_empty()

    def _set_blocker(self, attempt: SharedAttempt, message: Message) -> None:
        """Record which attempt blocks the process, if that was requested."""
        stack = message.get("stack")
        if self._is_abandoned and isinstance(stack, str):
            self._blocker = (attempt.id, stack)

    def _on_unblocked(self) -> None:
        """End the process: its event loop runs again, so no attempt has blocked it for good."""
        self._blocker = None
        # The message also follows a SIGTERM that was sent to all processes of a service.
        if self._is_abandoned:
            self._loop_continued = True
            self.stop()

    def _end_if_empty(self) -> None:
        if self._is_retired and not self._attempts:
            self._end(None)

    def _retire_if_unused(self, started_before: int | None = None) -> None:
        """Retire it if nothing has run for `IDLE_S`, otherwise check again after that time."""
        if self._started_count == started_before and not self._attempts:
            self.retire()
            return
        loop = asyncio.get_running_loop()
        self._idle_timer = loop.call_later(IDLE_S, self._retire_if_unused, self._started_count)

    def _end(self, end_report: Message | None) -> None:
        """End all attempts with the process.

        Args:
            end_report: the supervisor's report of the process's end; None if there is none.
        """
        if self._is_over:
            return
        self._idle_timer.cancel()
        self._slot.listener = None
        attempts = list(self._attempts.values())
        self._attempts.clear()
        outcome = self._process_outcome(end_report, len(attempts))
        self._outcome = outcome
        if attempts and outcome.kind in ("exit", "signal", "out_of_memory"):
            self._crash = outcome
        for attempt in attempts:
            attempt.end(self._attempt_outcome(attempt, outcome))
        self._on_over(self)

    def _process_outcome(self, end_report: Message | None, attempts: int) -> Outcome:
        """Return the outcome of the attempts that end only because their process does."""
        if self._is_abandoned:
            return self._abandoned_outcome(end_report)
        if end_report is None and self._slot.has_lapsed:
            return Outcome("lease")
        if self._is_retired and not attempts:
            return Outcome("stopped")
        outcome = describe_outcome(end_report)
        if outcome.kind in ("stopped", "lease") or attempts == 1:
            return outcome
        text = outcome.message["message"]
        message = f"{text}; {attempts} attempts shared the process, any may have been why"
        return Outcome(outcome.kind, {"message": message})

    def _abandoned_outcome(self, end_report: Message | None) -> Outcome:
        had_time_to_answer = end_report is not None and end_report["cause"] == "canceled"
        has_answered = self._loop_continued or self._blocker is not None
        is_loaded = self._slot.loaded.is_set()
        if had_time_to_answer and is_loaded and not has_answered:
            # An attempt is in C code that does not return. A hand-back would repeat it for ever.
            return Outcome("signal", {"message": STUCK})
        return Outcome("stopped")

    def _attempt_outcome(self, attempt: SharedAttempt, outcome: Outcome) -> Outcome:
        if attempt.is_overdue and attempt.end_reason is not None:
            return Outcome(attempt.end_reason)
        if self._blocker is None or self._blocker[0] != attempt.id:
            return outcome
        message = (
            "it kept the other attempts of its shared process from going on, so the process was"
            " ended: await what takes long, or give the job isolation 'process'"
        )
        return Outcome(
            "error",
            {
                "message": message,
                "stack": self._blocker[1],
                "permanent": False,
                "retryAfterMs": None,
            },
        )


def log_crash(crash: Outcome, log: Path) -> None:
    """Log the last output of a crashed process, which no attempt's log has."""
    tail = b""
    with suppress(OSError), log.open("rb") as output:
        size = output.seek(0, os.SEEK_END)
        output.seek(max(size - CRASH_OUTPUT_BYTES, 0))
        tail = output.read()
    text = tail.decode("utf-8", "replace")
    logger.warning("%s; the end of what it printed:\n%s", crash.message["message"], text)


CRASH_OUTPUT_BYTES = 4_096

_Key = tuple[HandlerPackage, int | None]
"""A handler package, and the memory limit of the whole process in MB."""


class SharedExecutor:
    """The `Executor` that runs attempts in shared processes.

    A process is started for the first attempt that needs it, and ends after some time without
    attempts.
    """

    def __init__(
        self, packages: Mapping[str, HandlerPackage], orphans: Orphans | None = None
    ) -> None:
        """Create an executor; nothing is started yet.

        Args:
            packages: the handlers' packages, by entry point.
            orphans: ends the processes that a killed supervisor leaves; None for nothing.
        """
        self._packages = packages
        self._orphans = orphans
        self._workplace: Workplace | None = None
        self._logs = AttemptLogs()
        self._lease_until = 0.0
        self._accepting: dict[_Key, asyncio.Task[SharedProcess]] = {}
        self._processes: set[SharedProcess] = set()
        self._end_tasks: set[asyncio.Task[None]] = set()

    capabilities = SHARED

    @property
    def capacity(self) -> float:
        """Unlimited: only the slots count."""
        return math.inf

    async def aclose(self) -> None:
        """End all processes, and remove their directories."""
        if self._accepting:
            await asyncio.wait(self._accepting.values())
        for process in list(self._processes):
            process.retire()
        await asyncio.gather(*self._end_tasks)
        self._logs.end()
        if self._workplace is not None:
            await asyncio.to_thread(self._workplace.close)

    def use_packages(self, packages: Mapping[str, HandlerPackage]) -> None:
        """Run these handlers from now on, by entry point; running attempts are not affected."""
        self._packages = packages
        current = set(packages.values())
        for key in list(self._accepting):
            package, _ = key
            if package not in current:
                self._accepting.pop(key).add_done_callback(_retire)

    def renew(self, until: float) -> None:
        """Extend the lease of all processes to this time of the monotonic clock."""
        self._lease_until = until
        for process in self._processes:
            process.renew(until)

    def end_session(self) -> None:
        """Do nothing: on this host, no stopped attempt begins."""

    def end_overdue(self, now: datetime) -> None:
        """End attempts whose deadline is over by a test service's clock, which can be moved."""
        for process in self._processes:
            process.end_overdue(now)

    async def submit(self, task: Task, on_update: OnUpdate, until: float) -> SharedAttempt:
        """Start an attempt in the shared process of its handler's package.

        Raises:
            LeaseOverError: the lease is over.
            OSError: no process could be started.
        """
        self._lease_until = max(until, self._lease_until)
        require_lease(self._lease_until)
        package = self._packages[task.entry_point]
        key = (package, task.memory_mb)
        process, accepts = await self._get_process(key)
        if not accepts:
            # If the next one accepts none either, the attempt ends at once; no third is started.
            process, _ = await self._get_process(key)
        require_lease(self._lease_until)
        return process.start(task, on_update)

    async def _get_process(self, key: _Key) -> tuple[SharedProcess, bool]:
        """Return the process for such attempts, and whether it accepts more of them.

        If there is none, start one. If it accepts no more attempts, the next call starts another.
        """
        starting = self._accepting.get(key)
        if starting is None:
            starting = start_once("shared process", self._start(key))
            self._accepting[key] = starting
        try:
            process = await asyncio.shield(starting)
        except OSError:
            self._stop_using(key, starting)
            raise
        accepts = process.accepts_attempts
        if not accepts:
            self._stop_using(key, starting)
            process.retire_unless_ending()
        return process, accepts

    def _stop_using(self, key: _Key, starting: "asyncio.Task[SharedProcess]") -> None:
        # Another caller may have started the next process meanwhile.
        if self._accepting.get(key) is starting:
            del self._accepting[key]

    async def _start(self, key: _Key) -> SharedProcess:
        package, memory_mb = key
        if self._workplace is None:
            self._workplace = Workplace()
        directory = self._workplace.new_directory()
        slot = await start_slot(package, directory, self._orphans, SHARED_PROGRAM)
        process = SharedProcess(slot, memory_mb, self._logs, self._on_over)
        process.renew(self._lease_until)
        self._processes.add(process)
        return process

    def _on_over(self, process: SharedProcess) -> None:
        self._processes.discard(process)
        end_task = start_once("ended process", process.discard())
        self._end_tasks.add(end_task)
        end_task.add_done_callback(self._end_tasks.discard)


def _retire(starting: "asyncio.Task[SharedProcess]") -> None:
    if not starting.cancelled() and starting.exception() is None:
        starting.result().retire()
