"""Searches the log for failed attempts, and for runs that have since recovered."""

from collections.abc import Sequence
from typing import cast
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from domain.clock import from_iso
from domain.failures.group import GroupedFailure
from domain.failures.grouping import FailureFinding, Findings, recovered_by
from domain.failures.signature import FailedAttempt
from domain.json_values import Json
from eventlog.database import sql
from eventlog.database.connection import borrowed
from eventlog.history.statements import StoredRow, first_where, may_be_cut
from eventlog.keys import LogFiles
from eventlog.personal import envelopes
from eventlog.rehydration import read_part
from projections import failure_search
from projections.envelope import Envelope, EventRow
from projections.failure_search import RunFacts
from projections.rows import Connection, read_rows, read_value

REACH = 20_000
"""Positions of the log that one search covers."""

MAX_EVENTS = 50
"""Events that one search returns; what it finds is recorded in one unit."""

MAX_BYTES = 4_194_304
"""Bytes of states after which a search ends; the last event may exceed it."""

LOST = "job_run.attempt_lost"

FAILED = ("job_run.attempt_failed", "job_run.attempt_timed_out", LOST)

SUCCEEDED = "job_run.succeeded"

FAILED_OR_RECOVERED = first_where(f"""
    notification_id > %(after)s AND notification_id <= %(until)s
    AND (topic = ANY(%(failed)s) OR (topic = '{SUCCEEDED}' AND {failure_search.RECOVERED}))
""")


class FailureSearch:
    """Implements `worker.ports.FailureSearch`."""

    def __init__(self, pool: AsyncConnectionPool[Connection], files: LogFiles) -> None:
        self._pool = pool
        self._files = files

    async def after(self, position: int) -> Findings:
        """Search the next part of the log after a position.

        Events that this version of the program cannot read are skipped.
        """
        async with borrowed(self._pool) as connection:
            head = await read_value(connection, int, sql.HEAD)
            if head <= position:
                return Findings(position, position)
            until = min(head, position + REACH)
            values = {
                "after": position,
                "until": until,
                "failed": list(FAILED),
                "limit": MAX_EVENTS,
                "max_bytes": MAX_BYTES,
            }
            rows = await read_rows(connection, StoredRow, FAILED_OR_RECOVERED, values)
            if may_be_cut(rows, MAX_EVENTS, MAX_BYTES):
                # The next search continues after the last of these events.
                until = rows[-1]["notification_id"]
            events = await self._readable(connection, rows)
            failures = await self._failures(connection, events)
            recovered = await self._recovered(connection, events)
        return Findings(
            after=position,
            until=until,
            failures=failures,
            recovered=recovered,
            has_more=until < head,
        )

    async def _readable(self, connection: Connection, rows: Sequence[EventRow]) -> list[Envelope]:
        """Return those of the events that this version of the program can read."""
        events = await envelopes(connection, self._files.master_keys, rows)
        return [event for event in events if event.unreadable is None]

    async def _failures(
        self, connection: Connection, events: Sequence[Envelope]
    ) -> list[FailureFinding]:
        """Return the failed attempts, without those of runs that have no row."""
        failed_events = [event for event in events if event.topic in FAILED]
        facts = await failure_search.facts_of(
            connection, [event.aggregate_id for event in failed_events]
        )
        failures: list[FailureFinding] = []
        for event in failed_events:
            run = facts.get(event.aggregate_id)
            if run is not None:
                failures.append(_finding_of(event, run))
        return failures

    async def _recovered(
        self, connection: Connection, events: Sequence[Envelope]
    ) -> list[FailedAttempt]:
        """Return the failed attempts of all runs that recover by these events."""
        recovered_attempts: list[FailedAttempt] = []
        for event in events:
            if event.topic != SUCCEEDED:
                continue
            run_id = event.aggregate_id
            run_ids = recovered_by(run_id, await failure_search.retry_tree_of(connection, run_id))
            facts = await failure_search.facts_of(connection, run_ids)
            for failed_id, run in facts.items():
                recovered_attempts += await self._failures_of(connection, failed_id, run)
        return recovered_attempts

    async def _failures_of(
        self, connection: Connection, run_id: UUID, run: RunFacts
    ) -> list[FailedAttempt]:
        """Return all failed attempts of a run."""
        failures: list[FailedAttempt] = []
        version: int | None = 0
        while version is not None:
            part = await read_part(connection, self._files, run_id, version, landmarks=True)
            version = part.next
            events = await self._readable(connection, part.rows)
            failures.extend(_attempt_of(event, run) for event in events if event.topic in FAILED)
        return failures


def _finding_of(event: Envelope, run: RunFacts) -> FailureFinding:
    failure = GroupedFailure(
        event.aggregate_id, from_iso(event.at), run["definition_version"], event.position
    )
    return FailureFinding(run["slug"], _attempt_of(event, run), failure)


def _attempt_of(event: Envelope, run: RunFacts) -> FailedAttempt:
    data = event.data
    reason = "worker_lost" if event.topic == LOST else cast("str", data["failure_reason"])
    return FailedAttempt(
        UUID(run["job_definition_id"]),
        reason,
        cast("str", data["error_message"]),
        _stack_in(data.get("context")),
    )


def _stack_in(context: Json) -> str | None:
    """Return the traceback in a worker's report of an attempt; None if there is none."""
    stack = context.get("stack") if isinstance(context, dict) else None
    return stack if isinstance(stack, str) else None
