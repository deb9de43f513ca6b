"""Schedules on a clock of the test's own."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from domain.commands.schedules import Schedules
from domain.identifiers import schedule_id
from domain.jobs.run_events import AttemptFailure, Report
from domain.ports import Row
from domain.schedules.calendar import ScheduleSpec
from eventlog.pending_work import Ticks
from tests.support.logs import TESTER, Parts, query

EVERY_MS = 60_000

TICKS = """
    SELECT topic, convert_from(state, 'UTF8')::jsonb->>'due_at',
        convert_from(state, 'UTF8')::jsonb->>'reason'
    FROM jobs_events WHERE topic LIKE 'schedule.tick%%' ORDER BY notification_id
"""


@dataclass
class Scene:
    """Schedules on a clock of the test's own."""

    part: Parts
    schedules: Schedules
    ticks: Ticks
    now: datetime

    async def create(self, name: str = "often", **spec: Any) -> Row:
        """Create a schedule of minutes that begin now."""
        fields: dict[str, Any] = {"job": "job", "every_ms": EVERY_MS, **spec}
        return await self.schedules.create(name, ScheduleSpec(**fields), TESTER)

    async def tick(self, minutes: float = 0.0) -> int:
        """Let time pass, and decide what is due then."""
        self.now += timedelta(minutes=minutes)
        due = await self.ticks.due(self.now, 100)
        due += await self.ticks.awaiting(100)
        return await self.schedules.tick(list(dict.fromkeys(due)))

    async def row(self, name: str = "often") -> Row:
        """Return a schedule's row."""
        own_id = schedule_id(name)
        states = await self.part.jobs.log_port.states_of("schedule", [own_id])
        row = states[own_id].row
        assert row is not None
        return row

    def outcomes(self) -> list[str]:
        """Return what became of ticks, in the log's order."""
        rows = query(self.part.url, TICKS)
        return [
            " ".join(filter(None, [topic.removeprefix("schedule.tick_"), reason]))
            for topic, _, reason in rows
        ]

    async def end_run(self, *, well: bool = True) -> None:
        """Let a worker execute the next run."""
        [claim] = await self.part.executions.claim("w", 1)
        run_id, holder = claim.run.id, claim.holder
        if well:
            await self.part.executions.succeed(run_id, holder, None, Report())
        else:
            failure = AttemptFailure("boom", permanent=True)
            await self.part.executions.fail(run_id, holder, failure, Report())
