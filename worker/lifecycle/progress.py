"""Gathers what a handler reports while it runs, so that a chatty one cannot flood the log."""

import asyncio
from collections.abc import Mapping
from typing import Any

from domain.jobs.reports import fitting
from domain.jobs.run_values import Report
from domain.json_values import InvalidJsonError
from runtime.background_tasks import end, start_once
from worker.lifecycle.outcomes import ClaimedRun, logger

GATHER_S = 0.25
"""How often an attempt's progress becomes an event at first: as live as eyes can follow."""

GATHER_AT_MOST_S = 5.0
"""How often at last. A handler that reports all day makes some hundred events an hour, not
thousands."""


class Progress:
    """One attempt's reports on their way to the log."""

    def __init__(self, run: ClaimedRun) -> None:
        self._run = run
        self._gathered: Report | None = None
        self._sending: Report | None = None
        self._sender: asyncio.Task[None] | None = None

    def add(self, message: Mapping[str, Any]) -> None:
        """Merge a report into what is not yet sent."""
        run = self._run
        try:
            report = run.report_of(message)
        except InvalidJsonError as error:
            logger.warning("a report of run %s is left out: %s", run.id, error)
            return
        self._gathered = _merged(self._gathered, report)
        if self._sender is None or self._sender.done():
            name = f"progress of run {run.id}"
            self._sender = start_once(name, self._send())

    async def finish(self) -> Report:
        """Stop sending; return what the attempt's last event has to carry, as the log may lack it.

        A report that is on its way may arrive as well: merging it twice changes nothing.
        """
        await end(self._sender)
        return _merged(self._sending, self._gathered)

    async def _send(self) -> None:
        pause_s = GATHER_S
        while self._gathered is not None:
            self._sending = _merged(self._sending, self._gathered)
            self._gathered = None
            await self._run.progress(self._sending)
            self._sending = None
            await asyncio.sleep(pause_s)
            longer_s = pause_s * 1.5
            pause_s = min(longer_s, GATHER_AT_MOST_S)


def _merged(old: Report | None, new: Report | None) -> Report:
    before = old or Report()
    if new is None:
        return before
    fit = fitting(before.metrics, before.context, new)
    metrics = {**before.metrics, **fit.metrics}
    context = {**before.context, **fit.context}
    logs_url = fit.logs_url or before.logs_url
    return Report(metrics, context, logs_url)


def with_reported(
    said: Mapping[str, Any], measured: Mapping[str, Any], unsent: Report
) -> Mapping[str, Any]:
    """Return an attempt's last message with all that is known of it; what it said itself counts."""
    said_metrics = said.get("metrics") or {}
    said_context = said.get("context") or {}
    metrics = {**measured, **unsent.metrics, **said_metrics}
    context = {**unsent.context, **said_context}
    return {**said, "metrics": metrics, "context": context}
