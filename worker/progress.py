"""Gathers what a handler reports while it runs, so that a chatty one cannot flood the log."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from domain.execution import Claim, Executions
from domain.json_values import InvalidJsonError
from domain.run_states import Report
from worker.recording import logger, persist, report_of

GATHER_S = 0.25
"""At most this often an attempt's progress becomes an event: as live as eyes can follow."""


class Progress:
    """One attempt's reports on their way to the log."""

    def __init__(self, executions: Executions, claim: Claim) -> None:
        self._executions = executions
        self._claim = claim
        self._gathered: Report | None = None
        self._sender: asyncio.Task[None] | None = None

    def add(self, message: Mapping[str, Any]) -> None:
        """Merge a report into what is not yet sent."""
        try:
            new = report_of(message, self._claim.run.id, self._claim.run.attempt)
        except InvalidJsonError as error:
            logger.warning("a report of run %s is left out: %s", self._claim.run.id, error)
            return
        old = self._gathered or Report()
        self._gathered = Report({**old.metrics, **new.metrics}, {**old.context, **new.context}, new.logs_url)
        if self._sender is None:
            self._sender = asyncio.create_task(self._send())

    async def finish(self) -> Report:
        """Stop sending; return what is still unsent, for the attempt's last event to carry."""
        if self._sender is not None:
            self._sender.cancel()
            with suppress(asyncio.CancelledError):
                await self._sender
        return self._gathered or Report()

    async def _send(self) -> None:
        while self._gathered is not None:
            report, self._gathered = self._gathered, None
            # Shielded: a report that is on its way arrives before the attempt's end does.
            await asyncio.shield(asyncio.ensure_future(self._append(report)))
            await asyncio.sleep(GATHER_S)
        self._sender = None

    async def _append(self, report: Report) -> None:
        run_id, holder = self._claim.run.id, self._claim.holder
        await persist(f"progress of run {run_id}", lambda: self._executions.progress(run_id, holder, report))
