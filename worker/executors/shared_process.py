"""A process that runs many attempts of one handler package at a time.

First one attempt (`SharedAttempt`), then the process, and how its attempts end with it
(`SharedProcess`). The program of the process is `apphub_jobs/process/shared.py`.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Literal

from runtime.tasks import start_once
from worker.executors.attempt_logs import AttemptLog, AttemptLogs
from worker.executors.local.attempt import LOG_LIMIT_BYTES, build_task_message, describe_outcome
from worker.executors.local.log import STDERR, STDOUT
from worker.executors.local.reports import (
    LEASE,
    NO_REPORT,
    SHARED_FIELDS,
    Message,
    find_fault,
    new_attempt_id,
)
from worker.executors.local.slot import Slot
from worker.executors.port import OnUpdate, Outcome, Task

logger = logging.getLogger(__name__)

TIMEOUT_GRACE_S = 2.0
"""How long an attempt may take to end after its timeout before its process is ended."""

EndReason = Literal["canceled", "timeout"]


class SharedAttempt:
    """An attempt in a shared process.

        running -> ending: canceled or timed out -> overdue: its process is abandoned

    From each of these it ends by a message of its process, or together with the process.

    Attributes:
        id: a secret that only the process knows, and no other handler.
        end_reason: why its end was requested; None while it runs.
        overdue_for: the same reason once it has not ended within the grace time; None before.
    """

    def __init__(
        self, process: "SharedProcess", task: Task, on_update: OnUpdate, log: AttemptLog
    ) -> None:
        self.id = new_attempt_id()
        self.end_reason: EndReason | None = None
        self.overdue_for: EndReason | None = None
        self._process = process
        self._task = task
        self._on_update = on_update
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._has_ended = False
        self._fault: str | None = None
        self._outcome_future: asyncio.Future[Outcome] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        """Of the timeout while it runs, then of the grace time."""

    has_begun = True

    def start_timeout(self) -> None:
        """Start its timeout, if it has one."""
        timeout_ms = self._task.timeout_ms
        if timeout_ms is not None and self.end_reason is None:
            self._timer = self._loop.call_later(timeout_ms / 1000, self._time_out)

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

    def find_fault(self, message: Message) -> str | None:
        """Return what is wrong with a message about it; None if the message is valid."""
        kind = message["type"]
        if kind in ("canceled", "timeout") and kind != self.end_reason:
            return f"the process said {kind!r} of an attempt whose end was not requested"
        return find_fault(message, SHARED_FIELDS)

    def on_message(self, message: Message) -> None:
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
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(grace_s, self._force_end)

    def _force_end(self) -> None:
        self.overdue_for = self.end_reason
        self._process.abandon()

    def _set_outcome(self, outcome: Outcome) -> None:
        if not self._outcome_future.done():
            self._outcome_future.set_result(outcome)


MAX_ATTEMPTS = 100_000
"""How many attempts a process runs at most, so that its end stops slow leaks."""

NAMING_S = 2.0
"""How long a process that is to be ended may take to name the attempt that blocks the others, or to
report that none does."""

IDLE_S = 300.0
"""How long a process without attempts is kept at least; at most, twice as long."""

LOADING_S = 30.0
"""How long a process may take to load its handlers before the timeouts of its attempts begin."""

STUCK = (
    "the shared process was ended because it stood still: something in C did not return, as the"
    " worker's output says, and any of its attempts may have been why"
)

BLOCKED = (
    "it kept the other attempts of its shared process from going on, so the process was"
    " ended: await what takes long, or give the job isolation 'process'"
)


class SharedProcess:
    """A supervised process that runs many attempts at a time.

    Its supervisor sees the whole life of the process as one attempt, with a log of its own, a
    memory limit, and the worker's lease.

        accepting -> retired: no more attempts start           -> over, as the last has ended
        accepting or retired -> abandoned: one does not end    -> over, as it is killed
        any of these -> it crashes, or its supervisor kills it -> over

    Once it is over, all of its attempts have ended, and its directory is removed.
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
        self._state: Literal["accepting", "retired", "abandoned", "over"] = "accepting"
        self._attempts: dict[str, SharedAttempt] = {}
        self._started_count = 0
        self._orders: list[Message] = []
        self._timeouts_run = False
        # Once it is abandoned: whether it has reported if an attempt blocks the others; if one
        # does, its id and its stack.
        self._has_answered = False
        self._blocker: tuple[str, str] | None = None
        # At its end.
        self._outcome = Outcome("stopped")
        self._crash: Outcome | None = None
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
        has_capacity = self._started_count < MAX_ATTEMPTS
        return self._state == "accepting" and has_capacity and self._slot.is_alive

    def start(self, task: Task, on_update: OnUpdate) -> SharedAttempt:
        """Start an attempt; if the process is over, the attempt ends at once."""
        self._started_count += 1
        log = AttemptLog(self._logs, task.log_path, self._slot.secrets)
        attempt = SharedAttempt(self, task, on_update, log)
        if self._state == "over":
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

    def retire(self) -> None:
        """Accept no more attempts, and end once the last one has ended."""
        if self._state == "accepting":
            self._state = "retired"
        self._end_if_empty()

    def retire_unless_ending(self) -> None:
        """Retire it, unless it is ending by itself."""
        if self._slot.is_open:
            self.retire()

    def abandon(self) -> None:
        """End it because an attempt does not end; its other attempts are started again."""
        if self._state in ("accepting", "retired"):
            self._state = "abandoned"
            self._slot.command({"cancel": NAMING_S})

    def stop(self) -> None:
        """End it because the worker stops."""
        self._slot.revoke()
        self._slot.command({"stop": True})

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
        and they continue. If the handlers are not loaded yet, none of the attempts can begin here,
        and all end.
        """
        if self._state in ("abandoned", "over"):
            return  # A process that is being ended may write an incomplete line.
        if self._state == "accepting":
            logger.warning("a shared process takes no more attempts: %s", fault)
        if len(self._attempts) == 1 or not self._slot.loaded.is_set():
            for attempt in self._attempts.values():
                attempt.invalidate(fault)
        self.retire()

    def on_reports_closed(self) -> None:
        """Do nothing: the supervisor will report how the process ended."""

    def on_attempt_ended(self, end_report: Message | None) -> None:
        """End all attempts with the process; without a report, the supervisor was killed."""
        self._end(end_report)

    async def _start_timeouts(self) -> None:
        """Start the attempts' timeouts once the handlers are loaded."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOADING_S):
                await self._slot.loaded.wait()
        self._timeouts_run = True
        for attempt in self._attempts.values():
            attempt.start_timeout()

    def _retire_if_unused(self, started_before: int | None = None) -> None:
        """Retire it if nothing has run for `IDLE_S`, otherwise check again after that time."""
        if self._started_count == started_before and not self._attempts:
            self.retire()
            return
        loop = asyncio.get_running_loop()
        self._idle_timer = loop.call_later(IDLE_S, self._retire_if_unused, self._started_count)

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
        if self._state == "abandoned" and isinstance(stack, str):
            self._has_answered = True
            self._blocker = (attempt.id, stack)

    def _on_unblocked(self) -> None:
        """End the process: its event loop runs again, so no attempt has blocked it for good."""
        # The message also follows a SIGTERM that was sent to all processes of a service.
        if self._state == "abandoned":
            self._has_answered = True
            self._blocker = None
            self.stop()

    def _end_if_empty(self) -> None:
        if self._state != "accepting" and not self._attempts:
            self._end(None)

    def _end(self, end_report: Message | None) -> None:
        """End all attempts with the process.

        Args:
            end_report: the supervisor's report of the process's end; None if there is none.
        """
        if self._state == "over":
            return
        attempts = list(self._attempts.values())
        outcome = self._outcome = self._process_outcome(end_report)
        if attempts and outcome.kind in ("exit", "signal", "out_of_memory"):
            self._crash = outcome
        self._state = "over"
        self._idle_timer.cancel()
        self._slot.listener = None
        self._attempts.clear()
        for attempt in attempts:
            attempt.end(self._attempt_outcome(attempt))
        self._on_over(self)

    def _process_outcome(self, end_report: Message | None) -> Outcome:
        """Return the outcome of the attempts that end only because their process does."""
        if self._state == "abandoned":
            return self._abandoned_outcome(end_report)
        if end_report is None and self._slot.has_lapsed:
            return Outcome("lease")
        count = len(self._attempts)
        if self._state == "retired" and not count:
            return Outcome("stopped")
        outcome = describe_outcome(end_report)
        if outcome.kind in ("stopped", "lease") or count == 1:
            return outcome
        text = outcome.message["message"]
        message = f"{text}; {count} attempts shared the process, any may have been why"
        return Outcome(outcome.kind, {"message": message})

    def _abandoned_outcome(self, end_report: Message | None) -> Outcome:
        had_time_to_answer = end_report is not None and end_report["cause"] == "canceled"
        if had_time_to_answer and self._slot.loaded.is_set() and not self._has_answered:
            # An attempt is in C code that does not return. A hand-back would repeat it for ever.
            return Outcome("signal", {"message": STUCK})
        return Outcome("stopped")

    def _attempt_outcome(self, attempt: SharedAttempt) -> Outcome:
        if attempt.overdue_for is not None:
            return Outcome(attempt.overdue_for)
        if self._blocker is None or self._blocker[0] != attempt.id:
            return self._outcome
        message = {
            "message": BLOCKED,
            "stack": self._blocker[1],
            "permanent": False,
            "retryAfterMs": None,
        }
        return Outcome("error", message)


CRASH_OUTPUT_BYTES = 4_096


def log_crash(crash: Outcome, log: Path) -> None:
    """Log the last output of a crashed process, which no attempt's log has."""
    tail = b""
    with suppress(OSError), log.open("rb") as output:
        size = output.seek(0, os.SEEK_END)
        output.seek(max(size - CRASH_OUTPUT_BYTES, 0))
        tail = output.read()
    text = tail.decode("utf-8", "replace")
    logger.warning("%s; the end of what it printed:\n%s", crash.message["message"], text)
