"""An attempt in a slot, from its task to its outcome."""

import asyncio
import logging
import signal
from datetime import datetime
from time import monotonic
from typing import Protocol

from worker.executors.local.reports import APART, LEASE, NO_REPORT, Said, fault_of, new_id
from worker.executors.local.slot import Slot
from worker.executors.local.workplace import remove
from worker.executors.port import OnUpdate, Outcome, Task

logger = logging.getLogger(__name__)

FAREWELL_S = 1.0
"""How long a process may still be heard whose supervisor was killed."""

UNWATCHED_S = 0.02
"""How long an attempt may go on, and what it prints wait, before its supervisor hears of it."""

LOG_LIMIT_BYTES = 10 * 1_048_576
"""What is kept of what one execution prints."""


class ProcessAttempt:
    """An attempt in a slot, which it listens to.

    The supervisor hears of it if it goes on for a moment, prints, or leaves something behind.
    """

    def __init__(self, slot: Slot, task: Task, on_update: OnUpdate, give_back: "_GiveBack") -> None:
        loop = asyncio.get_running_loop()
        self._slot = slot
        self._task = task
        self._on_update = on_update
        self._give_back = give_back
        self._number = slot.next_attempt()
        self._id = new_id()
        self._message: Said | None = None
        self._ended: Said | None = None
        self._heard_all = False
        self._left_files = True
        self._over: asyncio.Future[Said | None] = loop.create_future()
        self._deadline = _deadline(task)
        self._watched = False
        self._soon = loop.call_later(UNWATCHED_S, self._have_watched)
        slot.listener = self
        slot.give({"id": self._id, **described(task)})

    @property
    def supervisor_pid(self) -> int:
        """Return the process that watches it."""
        return self._slot.process.pid

    async def outcome(self) -> Outcome:
        """Wait for the end, and remove what the attempt left in its directory."""
        ended = await self._over
        if self._left_files:
            workdir = self._slot.workdir_of(self._number)
            await asyncio.to_thread(remove, workdir)
        if ended is None and self._message is None and self._slot.lapsed:
            return Outcome("lease")
        return _outcome(self._message, ended)

    def renew(self, until: float) -> None:
        """Let it go on until this moment of the host's monotonic clock."""
        if not self._over.done():
            self._slot.renew(until)

    def cancel(self, grace_s: float) -> None:
        """Ask it to stop; its supervisor kills it after the grace time."""
        self._tell({"cancel": grace_s})

    def end_if_overdue(self, now: datetime) -> None:
        """End it as at its deadline, if that is over by a clock that has been moved."""
        deadline = self._task.deadline
        if deadline is not None and datetime.fromisoformat(deadline) <= now:
            self._tell({"deadline": monotonic()})

    def stop(self) -> None:
        """Have its supervisor kill it, because the worker stops."""
        if not self._over.done():
            self._slot.revoke()
        self._tell({"stop": True})

    def reported(self, message: Said) -> None:
        """Keep how the handler ended, pass updates on, and note what it left."""
        fault = self._fault_of(message)
        if fault is None:
            self._take(message)
        else:
            self.misreported(fault)

    def misreported(self, fault: str) -> None:
        """Take what the process said of it for its end."""
        self._take({"type": "invalid", "message": fault})

    def _fault_of(self, message: Said) -> str | None:
        if message.get("id") != self._id:
            return NO_REPORT
        kind = message["type"]
        if kind == LEASE and not self._slot.forbids_beginning:
            return "the process did not begin, though the lease holds"
        if kind == "done" and self._message is None:
            return "the process was done before its handler had ended"
        return fault_of(message, APART)

    def _take(self, message: Said) -> None:
        kind = message["type"]
        if self._message is None and kind != "update":
            self._message = message
        elif self._message is None:
            self._on_update(message)
        elif kind == "done":
            self._done(message)
        ended_as = (self._message or message)["type"]
        if "invalid" in (kind, ended_as):
            self.stop()  # It may still be writing what nobody reads any more.

    def _done(self, said: Said) -> None:
        self._slot.cpu_s = said["cpuTotal"]
        self._left_files = bool(said["leftFiles"])
        if said["clear"] and not self._watched:
            ended = {**said, "cause": "exit", "livesOn": True}
            self._end(ended)
        else:
            self._tell({"over": said})

    def reports_ended(self) -> None:
        """Note that nobody speaks any more: what is known by now is all."""
        self._heard_all = True
        if self._ended is not None:
            self._end(self._ended)
        else:
            self._have_watched()  # It knows more of how the process ended.

    def supervisor_said(self, ended: Said | None) -> None:
        """Note how the supervisor saw it end, and what the log lacks."""
        self._ended = self._ended or ended
        if ended is not None and ended["logLost"]:
            logger.warning(
                "%s lacks %d bytes, which could not be written",
                self._task.log_path,
                ended["logLost"],
            )
        if self._heard_all or _lives_on(ended):
            self._end(self._ended)
            return
        # The last word may be on its way; but those that a killed supervisor left may hold the
        # pipe for ever.
        loop = asyncio.get_running_loop()
        loop.call_later(FAREWELL_S, self._end, self._ended)

    def _have_watched(self) -> None:
        """Let the supervisor know of the attempt, once."""
        if not self._watched:
            self._watched = True
            order = _order(self._task, self._deadline, self._slot.cpu_s)
            self._slot.tell(order)

    def _tell(self, command: Said) -> None:
        if not self._over.done():  # Else the slot may be another attempt's.
            self._have_watched()
            self._slot.tell(command)

    def _end(self, ended: Said | None) -> None:
        if self._over.done():
            return
        self._soon.cancel()
        self._slot.listener = None
        self._give_back(self, self._slot, lives_on=_lives_on(ended))
        self._over.set_result(ended)


class _GiveBack(Protocol):
    def __call__(self, attempt: ProcessAttempt, slot: Slot, *, lives_on: bool) -> None: ...


def _deadline(task: Task) -> float | None:
    if task.timeout_ms is None:
        return None
    return monotonic() + task.timeout_ms / 1000


def _lives_on(ended: Said | None) -> bool:
    """Return whether the process is fit for another attempt."""
    return ended is not None and bool(ended["livesOn"])


def _outcome(message: Said | None, ended: Said | None) -> Outcome:
    if ended is None or message is None:
        return how_it_ended(ended)
    return Outcome(message["type"], message, _used(ended))


def how_it_ended(ended: Said | None) -> Outcome:
    """Return what a supervisor has seen of an end; None: it was killed itself."""
    if ended is None:
        return Outcome("signal", {"message": "the attempt's supervisor was killed"})
    told = {"message": _told(ended)}
    return Outcome(ended["cause"], told, _used(ended))


def _used(ended: Said) -> Said:
    return {name: ended[name] for name in ("cpuSeconds", "peakMemoryMb")}


def _told(ended: Said) -> str:
    """Return how an attempt ended that has said nothing of it."""
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


def _order(task: Task, deadline: float | None, cpu_before_s: float | None) -> Said:
    """Return what the supervisor is told."""
    return {
        "log": str(task.log_path),
        "logLimitBytes": LOG_LIMIT_BYTES,
        "deadline": deadline,
        "memoryMb": task.memory_mb,
        "cpuBefore": cpu_before_s,
    }


def described(task: Task) -> Said:
    """Return what a handlers' process is told."""
    return {
        "run": task.run,
        "definition": task.definition,
        "entryPoint": task.entry_point,
        "parameters": task.parameters,
        "inputs": task.inputs,
        "settings": task.settings,
        "deadline": task.deadline,
        "personal": task.personal,
    }
