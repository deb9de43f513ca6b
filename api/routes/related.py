"""What belongs to a run: its failure group, its repeats and the bulk operation that launched it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from api.http.dependencies import ConnectionDep, MayRead, QuarantineDep, run_id_of
from api.http.errors import JsonResponse, data
from api.http.strict_json import StrictJsonRoute
from api.routes.as_of import run_in
from api.routes.bulk import BulkOperation
from api.routes.failures import FailureGroup
from api.shapes.base import Data, Shape, failures
from api.shapes.runs import Run
from api.views.lists import Present, present_runs
from domain.failures.signature import FailedAttempt, signature_of
from domain.identifiers import failure_group_id
from domain.json_values import JsonObject
from projections import bulk, failure_groups, job_runs
from projections.job_runs import RunRow
from projections.rows import Connection
from projections.runs import related
from projections.runs.lists import first_of_page
from projections.table import rows_by_id


class RelatedRuns(Shape):
    """What belongs to a run, as of now."""

    failure_group: FailureGroup | None = Field(
        description="the group of failures that its failure belongs to; null where it did not"
        " fail, and for half a second after it did"
    )
    retries: list[Run] = Field(description="the runs that were launched to repeat it, newest first")
    bulk_operation: BulkOperation | None = Field(
        description="the bulk operation that launched it; null where none did"
    )


router = APIRouter(prefix="/job-runs", route_class=StrictJsonRoute, tags=["runs"])


@router.get(
    "/{run_id}/related",
    response_model=Data[RelatedRuns],
    responses=failures(400, 404),
    dependencies=[MayRead],
    description="Show what belongs to a run: the failure group of its failure, the newest runs that"
    " were launched to repeat it, and the bulk operation that launched the run itself. Which run it"
    " repeats, its own `context.retryOf` says.",
)
async def get_related_runs(
    run_id: str,
    connection: ConnectionDep,
    quarantine: QuarantineDep,
    limit: Annotated[int, Query(ge=1, le=100, description="of the runs that repeat it")] = 20,
) -> JsonResponse:
    """Show what belongs to a run."""
    view = Present(connection)
    run = await run_in(view, run_id)
    own_id = run_id_of(run_id)
    ids = await first_of_page(connection, await related.repeats_of(connection, own_id, limit))
    rows = await rows_by_id(connection, job_runs.TABLE, ids)
    return data(
        {
            "failureGroup": await _failure_group(connection, run),
            "retries": [
                *await present_runs(view, [rows[retry_id] for retry_id in ids], quarantine)
            ],
            "bulkOperation": await _bulk_operation(connection, own_id),
        }
    )


async def _failure_group(connection: Connection, run: RunRow) -> JsonObject | None:
    reason = run["failure_reason"]
    if reason is None:
        return None
    stack = (run["context"] or {}).get("stack")
    failed = FailedAttempt(
        UUID(run["job_definition_id"]),
        reason,
        run["error_message"] or "",
        stack if isinstance(stack, str) else None,
    )
    group_id = failure_group_id(signature_of(failed).fingerprint)
    row = await failure_groups.by_id(connection, group_id)
    return None if row is None else failure_groups.present(row)


async def _bulk_operation(connection: Connection, run_id: UUID) -> JsonObject | None:
    operation_id = await related.operation_of(connection, run_id)
    if operation_id is None:
        return None
    row = await bulk.by_id(connection, operation_id)
    return None if row is None else bulk.present(row)
