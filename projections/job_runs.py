"""The table `job_runs`: every run as its last event left it.

First its columns and its JSON for clients (`present`), then the runs that hold unique slots.
`domain/jobs/run_events.py` says what events do to a run.
"""

from collections.abc import Iterable
from uuid import UUID

import orjson
from typing_extensions import ReadOnly, TypedDict

from domain.identifiers import UniqueSlot
from domain.jobs.run import JobRun
from domain.jobs.run_events import RunState
from domain.json_values import JsonObject
from domain.ports import Row
from domain.state import BigInt
from projections.rows import columns_of, presented
from projections.table import DecisiveRow, TableOf, shown_columns


class RunRow(DecisiveRow, RunState):
    """A run's state, and the last event that it includes."""

    state2_version: ReadOnly[BigInt | None]


COLUMNS = columns_of(RunRow)

_HIDDEN = {
    "entry_point",
    "execution",
    "worker_id",
    "concurrency_value",
    "start_deadline_at",
    "created_position",
    "completed_position",
    "personal",
    "launch_context",
    "retry_policy",
    "request_digest",
    "cancel_reason",
    "rate_value",
    "starts",
    "last_start_at",
    "fair_value",
    "last_turn",
    "unique_value",
    "unique_until",
    "traceparent",
    "started_by",
}

SHOWN = shown_columns(RunRow, _HIDDEN)

IS_PENDING = "status COLLATE \"C\" = 'pending'"
IS_RUNNING = "status COLLATE \"C\" = 'running'"
IS_UNFINISHED = "status COLLATE \"C\" IN ('pending', 'running')"
"""For the queries of workers. The collation changes no result, but keeps them to the indexes of
pending and of running runs: in those of lists and reports each run leaves an entry for each status
that it had."""


TABLE: TableOf[RunRow] = TableOf(
    "job_runs",
    "job_run",
    "id",
    COLUMNS,
    JobRun.fold(),
    version=9,
    decisive=frozenset({"parameters", "launch_context"}),
    only_shown=frozenset({"result"}),
    newer=frozenset({"job_run.grouped"}),
    label="slug",
)


def present(row: Row) -> JsonObject:
    """Return the run as clients see it (contract, section 3)."""
    return presented(row, SHOWN)


# The runs that hold unique slots of their jobs.

HOLDERS = f"""
    SELECT holder.*
    FROM jsonb_to_recordset(%(slots)s::jsonb) AS slot (definition_id uuid, value text), LATERAL (
        SELECT id, job_definition_id, unique_value, status FROM job_runs
        WHERE job_definition_id = slot.definition_id AND unique_value = slot.value
          AND {IS_UNFINISHED} AND (unique_until = 'end' OR execution = 0)
        LIMIT 1
    ) AS holder
"""
"""A run holds its slot from its launch until its first start, or until its end."""


class HolderRow(TypedDict):
    """A run that holds a slot."""

    id: ReadOnly[str]
    job_definition_id: ReadOnly[str]
    unique_value: ReadOnly[str]
    status: ReadOnly[str]


def holders_query(slots: Iterable[UniqueSlot]) -> dict[str, str]:
    """Return the parameters of `HOLDERS`."""
    rows = [{"definition_id": str(slot.definition_id), "value": slot.value} for slot in slots]
    return {"slots": orjson.dumps(rows).decode()}


def slot_of(row: HolderRow) -> UniqueSlot:
    """Return the slot that a run holds."""
    return UniqueSlot(UUID(row["job_definition_id"]), row["unique_value"])
