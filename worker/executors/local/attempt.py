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
    fault_of,
    new_attempt_id,
)
from worker.executors.local.slot import Slot
from worker.executors.local.workplace import remove
from worker.executors.port import OnUpdate, Outcome, Task

logger = logging.getLogger(__name__)

FAREWELL_S = 1.0
"""How long to wait for the last messages of a process whose supervisor was killed."""

UNSUPERVISED_S = 0.02
"""How long an attempt may run, and its output wait, before its supervisor is notified."""

LOG_LIMIT_BYTES = 10 * 1_048_576
"""How much output of one execution is kept."""


class ProcessAttempt:
    """An attempt in a slot, whose messages it receives.

    The supervisor is notified of it only if it runs for a moment, prints, or leaves processes or
    files behind.
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
        self._ended: Message | None = None
        self._reports_closed = False
        self._may_have_files = True
        self._has_ended = False
        self._over: asyncio.Future[Message | None] = loop.create_future()
        self._deadline = _deadline(task)
        self._is_supervised = False
        self._supervise_timer = loop.call_later(UNSUPERVISED_S, self._notify_supervisor)
        slot.listener = self
        slot.send_tasks({"id": self._id, **task_message(task)})

    has_begun = True

    async def outcome(self) -> Outcome:
        """Wait for the end, and remove what the attempt left in its directory."""
        ended = await self._over
        if self._may_have_files:
            await asyncio.to_thread(remove, self._slot.workdir_of(self._number))
        if ended is None and self._message is None and self._slot.lapsed:
            return Outcome("lease")
        return _outcome(self._message, ended)

    def renew(self, until: float) -> None:
        """Extend its lease to this time of the host's monotonic clock."""
        if not self._has_ended:
            self._slot.renew(until)

    def cancel(self, grace_s: float) -> None:
        """Ask its handler to stop; its supervisor kills it after the grace time."""
        self._command({"cancel": grace_s})

    def end_if_overdue(self, now: datetime) -> None:
        """End it as timed out if its deadline has passed by a clock that was moved."""
        deadline = self._task.deadline
        if deadline is not None and datetime.fromisoformat(deadline) <= now:
            self._command({"deadline": monotonic()})

    def stop(self) -> None:
        """Have its supervisor kill it, because the worker stops."""
        if not self._has_ended:
            self._slot.revoke()
        self._command({"stop": True})

    def on_message(self, message: Message) -> None:
        """Pass updates on, and keep how the handler ended and what it left."""
        fault = self._fault_of(message)
        if fault is None:
            self._accept(message)
        else:
            self.on_fault(fault)

    def on_fault(self, fault: str) -> None:
        """End it as invalid: the process sent a message that is none of this attempt's."""
        self._accept({"type": "invalid", "message": fault})

    def _fault_of(self, message: Message) -> str | None:
        if message.get("id") != self._id:
            return NO_REPORT
        kind = message["type"]
        if kind == LEASE and not self._slot.forbids_beginning:
            return "the process did not begin, though the lease holds"
        if kind == "done" and self._message is None:
            return "the process was done before its handler had ended"
        return fault_of(message, PROCESS_FIELDS)

    def _accept(self, message: Message) -> None:
        kind = message["type"]
        if self._message is None and kind != "update":
            self._message = message
        elif self._message is None:
            self._on_update(message)
        elif kind == "done":
            self._on_done(message)
        ended_as = (self._message or message)["type"]
        if "invalid" in (kind, ended_as):
            self.stop()  # It may still be writing, but its messages are not read any more.

    def _on_done(self, message: Message) -> None:
        self._slot.cpu_s = message["cpuTotal"]
        self._may_have_files = bool(message["leftFiles"])
        if message["clear"] and not self._is_supervised:
            self._end({**message, "cause": "exit", "livesOn": True})
        else:
            self._command({"over": message})

    def on_reports_closed(self) -> None:
        """Record that there will be no more messages of the process."""
        self._reports_closed = True
        if self._ended is not None:
            self._end(self._ended)
        else:
            self._notify_supervisor()  # It sees how the process ended.

    def on_attempt_ended(self, ended: Message | None) -> None:
        """Record how the supervisor saw it end, and warn of output that the log lacks."""
        self._ended = self._ended or ended
        if ended is not None and ended["logLost"]:
            logger.warning(
                "%s lacks %d bytes, which could not be written",
                self._task.log_path,
                ended["logLost"],
            )
        if self._reports_closed or _is_reusable(ended):
            self._end(self._ended)
            return
        # The last messages may be on their way, but processes that a killed supervisor left may
        # hold the pipe for ever.
        asyncio.get_running_loop().call_later(FAREWELL_S, self._end, self._ended)

    def _notify_supervisor(self) -> None:
        """Order the supervisor to watch the attempt, once."""
        if not self._is_supervised:
            self._is_supervised = True
            self._slot.command(_order(self._task, self._deadline, self._slot.cpu_s))

    def _command(self, command: Message) -> None:
        if not self._has_ended:  # Else the slot may be another attempt's.
            self._notify_supervisor()
            self._slot.command(command)

    def _end(self, ended: Message | None) -> None:
        if self._has_ended:
            return
        self._has_ended = True
        self._supervise_timer.cancel()
        self._slot.listener = None
        self._release(self, self._slot, is_reusable=_is_reusable(ended))
        if not self._over.done():  # Else whoever waited for the end was cancelled.
            self._over.set_result(ended)


class _Release(Protocol):
    def __call__(self, attempt: ProcessAttempt, slot: Slot, *, is_reusable: bool) -> None: ...


def _deadline(task: Task) -> float | None:
    if task.timeout_ms is None:
        return None
    return monotonic() + task.timeout_ms / 1000


def _is_reusable(ended: Message | None) -> bool:
    """Return whether the process can run another attempt."""
    return ended is not None and bool(ended["livesOn"])


def _outcome(message: Message | None, ended: Message | None) -> Outcome:
    if ended is None or message is None:
        return outcome_of_end(ended)
    return Outcome(message["type"], message, _used(ended))


def outcome_of_end(ended: Message | None) -> Outcome:
    """Return the outcome of an end as the supervisor saw it; None: it was killed itself."""
    if ended is None:
        return Outcome("signal", {"message": "the attempt's supervisor was killed"})
    return Outcome(ended["cause"], {"message": _describe_end(ended)}, _used(ended))


def _used(ended: Message) -> Message:
    return {name: ended[name] for name in ("cpuSeconds", "peakMemoryMb")}


def _describe_end(ended: Message) -> str:
    """Describe the end of an attempt whose process sent no last message."""
    cause: str = ended["cause"]
    if cause == "exit":
        return f"the process exited with code {ended['code']} without a result"
    if cause == "signal":
        return f"the process was ended by signal {_signal_name(ended['code'])}"
    if cause == "out_of_memory":
        peak_mb = ended["peakMemoryMb"]
        return f"the attempt used more memory than its resources.memoryMb ({peak_mb} MB)"
    return cause


def _signal_name(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return str(-code)


def _order(task: Task, deadline: float | None, cpu_before_s: float | None) -> Message:
    """Return the order to watch an attempt."""
    return {
        "log": str(task.log_path),
        "logLimitBytes": LOG_LIMIT_BYTES,
        "deadline": deadline,
        "memoryMb": task.memory_mb,
        "cpuBefore": cpu_before_s,
    }


def task_message(task: Task) -> Message:
    """Return a task as a handlers' process receives it."""
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
