"""An attempt in a slot, from its task to its outcome."""

import asyncio
import logging
import signal
from datetime import datetime
from time import monotonic
from typing import Protocol

from worker.executors.local.reports import (
    LEASE,
    NO_REPORT,
    PROCESS_FIELDS,
    Message,
    find_fault,
    new_attempt_id,
)
from worker.executors.local.slot import Slot
from worker.executors.local.workplace import remove_directory
from worker.executors.port import OnUpdate, Outcome, Task

logger = logging.getLogger(__name__)

UNSUPERVISED_S = 0.02
"""How long an attempt runs, and its output waits, before the supervisor is notified of it."""

LOG_LIMIT_BYTES = 10 * 1_048_576
"""How much output of one execution is kept."""


class ProcessAttempt:
    """An attempt in a slot; it handles the messages about itself.

    The supervisor is notified of it only if it runs longer than `UNSUPERVISED_S`, prints something,
    or leaves processes or files behind.
    """

    def __init__(self, slot: Slot, task: Task, on_update: OnUpdate, release: "_Release") -> None:
        loop = asyncio.get_running_loop()
        self._slot = slot
        self._task = task
        self._on_update = on_update
        self._release = release
        self._number = slot.next_attempt()
        self._id = new_attempt_id()
        self._message: Message | None = None
        self._may_have_files = True
        self._has_ended = False
        self._end_future: asyncio.Future[Message | None] = loop.create_future()
        self._deadline = _deadline(task)
        self._is_supervised = False
        self._supervise_timer = loop.call_later(UNSUPERVISED_S, self._notify_supervisor)
        slot.listener = self
        slot.send_tasks({"id": self._id, **build_task_message(task)})

    has_begun = True

    async def outcome(self) -> Outcome:
        """Wait for the end, and remove the files that the attempt left in its directory."""
        end_report = await self._end_future
        if self._may_have_files:
            await asyncio.to_thread(remove_directory, self._slot.workdir_of(self._number))
        if end_report is None and self._message is None and self._slot.has_lapsed:
            return Outcome("lease")
        return _build_outcome(self._message, end_report)

    def renew(self, until: float) -> None:
        """Extend its lease to this time of the host's monotonic clock."""
        if not self._has_ended:
            self._slot.renew(until)

    def cancel(self, grace_s: float) -> None:
        """Ask its handler to stop; its supervisor kills it after the grace time."""
        self._command({"cancel": grace_s})

    def end_if_overdue(self, now: datetime) -> None:
        """End it as timed out if its deadline has passed by a clock that was moved."""
        if self._task.is_overdue(now):
            self._command({"deadline": monotonic()})

    def stop(self) -> None:
        """Let its supervisor kill it, because the worker stops."""
        if not self._has_ended:
            self._slot.revoke()
        self._command({"stop": True})

    def on_message(self, message: Message) -> None:
        """Forward updates, and record how the handler ended and what it left."""
        fault = self._find_fault(message)
        if fault is None:
            self._accept(message)
        else:
            self.on_fault(fault)

    def on_fault(self, fault: str) -> None:
        """End it as invalid, because the process sent an invalid message."""
        self._accept({"type": "invalid", "message": fault})

    def _find_fault(self, message: Message) -> str | None:
        if message.get("id") != self._id:
            return NO_REPORT
        kind = message["type"]
        if kind == LEASE and not self._slot.forbids_beginning:
            return "the process did not begin, though the lease holds"
        if kind == "done" and self._message is None:
            return "the process was done before its handler had ended"
        return find_fault(message, PROCESS_FIELDS)

    def _accept(self, message: Message) -> None:
        kind = message["type"]
        if self._message is None and kind != "update":
            self._message = message
        elif self._message is None:
            self._on_update(message)
        elif kind == "done":
            self._on_done(message)
        final_kind = (self._message or message)["type"]
        if "invalid" in (kind, final_kind):
            self.stop()  # It may send more messages, which are not accepted any more.

    def _on_done(self, message: Message) -> None:
        self._slot.cpu_s = message["cpuTotal"]
        self._may_have_files = bool(message["leftFiles"])
        if message["clear"] and not self._is_supervised:
            self._end({**message, "cause": "exit", "livesOn": True})
        else:
            self._command({"over": message})

    def on_reports_closed(self) -> None:
        """Let the supervisor report how the process ended."""
        self._notify_supervisor()

    def on_attempt_ended(self, end_report: Message | None) -> None:
        """End the attempt, and warn of output that its log lacks."""
        if end_report is not None and end_report["logLost"] and not self._has_ended:
            logger.warning(
                "%s lacks %d bytes, which could not be written",
                self._task.log_path,
                end_report["logLost"],
            )
        self._end(end_report)

    def _notify_supervisor(self) -> None:
        """Order the supervisor to watch the attempt, once."""
        if not self._is_supervised:
            self._is_supervised = True
            self._slot.command(_build_order(self._task, self._deadline, self._slot.cpu_s))

    def _command(self, command: Message) -> None:
        if not self._has_ended:  # Otherwise another attempt may use the slot.
            self._notify_supervisor()
            self._slot.command(command)

    def _end(self, end_report: Message | None) -> None:
        if self._has_ended:
            return
        self._has_ended = True
        self._supervise_timer.cancel()
        self._slot.listener = None
        self._release(self, self._slot, is_reusable=_is_reusable(end_report))
        if not self._end_future.done():  # It is cancelled with the task that awaits the outcome.
            self._end_future.set_result(end_report)


class _Release(Protocol):
    def __call__(self, attempt: ProcessAttempt, slot: Slot, *, is_reusable: bool) -> None: ...


def _deadline(task: Task) -> float | None:
    if task.timeout_ms is None:
        return None
    return monotonic() + task.timeout_ms / 1000


def _is_reusable(end_report: Message | None) -> bool:
    """Return whether the process can run another attempt."""
    return end_report is not None and bool(end_report["livesOn"])


def _build_outcome(message: Message | None, end_report: Message | None) -> Outcome:
    if end_report is None or message is None:
        return describe_outcome(end_report)
    return Outcome(message["type"], message, _usage_metrics(end_report))


def describe_outcome(end_report: Message | None) -> Outcome:
    """Return the outcome of an attempt that sent no last message.

    Args:
        end_report: the supervisor's report of the end; None if the supervisor was killed itself.
    """
    if end_report is None:
        return Outcome("signal", {"message": "the attempt's supervisor was killed"})
    return Outcome(
        end_report["cause"], {"message": _describe_end(end_report)}, _usage_metrics(end_report)
    )


def _usage_metrics(end_report: Message) -> Message:
    return {name: end_report[name] for name in ("cpuSeconds", "peakMemoryMb")}


def _describe_end(end_report: Message) -> str:
    cause: str = end_report["cause"]
    if cause == "exit":
        return f"the process exited with code {end_report['code']} without a result"
    if cause == "signal":
        return f"the process was ended by signal {_signal_name(end_report['code'])}"
    if cause == "out_of_memory":
        peak_mb = end_report["peakMemoryMb"]
        return f"the attempt used more memory than its resources.memoryMb ({peak_mb} MB)"
    return cause


def _signal_name(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return str(-code)


def _build_order(task: Task, deadline: float | None, cpu_before_s: float | None) -> Message:
    """Return the order by which a supervisor watches an attempt."""
    return {
        "log": str(task.log_path),
        "logLimitBytes": LOG_LIMIT_BYTES,
        "deadline": deadline,
        "memoryMb": task.memory_mb,
        "cpuBefore": cpu_before_s,
    }


def build_task_message(task: Task) -> Message:
    """Return the message by which a handlers' process gets a task."""
    return {
        "run": task.run,
        "definition": task.definition,
        "entryPoint": task.entry_point,
        "parameters": task.parameters,
        "inputs": task.inputs,
        "settings": task.settings,
        "deadline": task.deadline,
        "personal": task.personal,
        "traceparent": task.traceparent,
    }
