"""Bulk operations on a log of the test's own."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from domain.bulk import Order
from domain.commands.bulk import BulkOperations, BulkSteps, Preview
from domain.jobs.launching import Launch
from domain.jobs.run_events import AttemptFailure, Report
from domain.json_values import JsonObject
from domain.ports import Row
from eventlog.history.as_of import PastRunSelector
from tests.support.logs import TESTER, Parts, query

CAUSES = """
    SELECT DISTINCT causation_id FROM jobs_events
    WHERE originator_id = ANY(%s) AND topic = ANY(%s)
"""


@dataclass
class Scene:
    """What a test does with bulk operations."""

    part: Parts
    operations: BulkOperations = field(init=False)
    steps: BulkSteps = field(init=False)

    def __post_init__(self) -> None:
        selected = PastRunSelector(self.part.pool, self.part.files)
        self.operations = BulkOperations(self.part.jobs, selected)
        self.steps = BulkSteps(self.part.jobs, selected)

    async def launch(self, slug: str = "job", **launch: Any) -> UUID:
        """Launch a run."""
        launched = await self.part.jobs.launch(slug, Launch(**launch), TESTER)
        return launched.run_id

    async def end(self, *, well: bool = True) -> UUID:
        """Let a worker execute the next run."""
        [claim] = await self.part.executions.claim("w", 1)
        run_id, holder = claim.run.id, claim.holder
        if well:
            await self.part.executions.succeed(run_id, holder, None, Report())
        else:
            failure = AttemptFailure("boom", permanent=True)
            await self.part.executions.fail(run_id, holder, failure, Report())
        return run_id

    async def start(
        self, action: Any, *words: str, patch: JsonObject | None = None, key: str | None = None
    ) -> UUID:
        """Order something; nobody goes through the runs yet."""
        order = Order(action=action, filter=words, reason="tidy up", patch=patch)
        started = await self.operations.start(order, TESTER, key)
        return started.operation_id

    async def preview(self, action: Any, *words: str, patch: JsonObject | None = None) -> Preview:
        """Ask what an order would come to."""
        order = Order(action=action, filter=words, reason="", patch=patch)
        return await self.operations.preview(order, TESTER)

    async def finish(self, operation_id: UUID) -> Row:
        """Go through all runs; return the operation's row."""
        while await self.steps.process_next(operation_id) is not None:
            pass
        return await self.row(operation_id)

    async def row(self, operation_id: UUID) -> Row:
        """Return the operation's row."""
        states = await self.part.jobs.log_port.states_of("bulk_operation", [operation_id])
        row = states[operation_id].row
        assert row is not None
        return row

    def statuses(self, run_ids: list[UUID]) -> list[str]:
        """Return the runs' statuses."""
        statuses = dict(query(self.part.url, "SELECT id, status FROM job_runs"))
        return [statuses[run_id] for run_id in run_ids]

    def causes(self, run_ids: list[UUID], *topics: str) -> list[UUID]:
        """Return what led to these events of the runs."""
        return [cause for (cause,) in query(self.part.url, CAUSES, run_ids, [*topics])]
