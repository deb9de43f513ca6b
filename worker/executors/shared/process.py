"""A process that many attempts share, and what becomes of them when it ends."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from runtime.background_tasks import start_once
from worker.executors.local.attempt import (
    FAREWELL_S,
    LOG_LIMIT_BYTES,
    described,
    how_it_ended,
)
from worker.executors.local.reports import LEASE, NO_REPORT, Said
from worker.executors.local.slot import Slot
from worker.executors.port import OnUpdate, Outcome, Task
from worker.executors.shared.attempt import SharedAttempt
from worker.executors.shared.attempt_logs import AttemptLogs
from worker.executors.shared.last_words import tell_last_words

logger = logging.getLogger(__name__)

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
