"""An attempt in a shared process, from its task to its outcome."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Protocol

from worker.executors.local.reports import TOGETHER, fault_of, new_id
from worker.executors.port import OnUpdate, Outcome, Task
from worker.executors.shared.attempt_logs import AttemptLog

TIMEOUT_GRACE_S = 2.0
"""How long an attempt whose time is over may take to end before it costs its process."""

End = Literal["canceled", "timeout"]


class Host(Protocol):
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
        self,
        process: Host,
        task: Task,
        on_update: OnUpdate,
        log: AttemptLog,
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
        return fault_of(message, TOGETHER)

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
