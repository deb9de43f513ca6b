"""`/job-runs/{id}/events`, `/attempts` and `/explain`: what has happened to a run, and why."""

from collections.abc import Sequence
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from api.bootstrap.service import Service
from api.http.cursors import MOST, OptionalCursor, PartLimit, part_meta, position_of
from api.http.dependencies import (
    ConnectionDep,
    MayRead,
    ServiceDep,
    run_id_of,
    run_not_found,
)
from api.http.json_answer import JsonAnswer, data, data_in_parts, page
from api.http.strict_json import StrictJsonRoute
from api.routes.as_of import AsOfDep
from api.shapes.base import Part, failures
from api.shapes.events import Event
from api.shapes.explanations import Explained
from api.shapes.runs import AttemptEntry
from api.views.histories import all_events, executions_after
from eventlog.queue.explaining import explain_now, explain_then
from projections.envelope import Envelope

router = APIRouter(prefix="/job-runs", route_class=StrictJsonRoute, tags=["runs"])


@router.get(
    "/{run_id}/events",
    response_model=Part[list[Event]],
    responses=failures(400, 404),
    dependencies=[MayRead],
    description="Show a run's whole history, straight from the log; with `limit` or `cursor`, a"
    " page of it, which may be shorter than `limit`, and `meta`.",
)
async def get_run_events(
    run_id: str,
    service: ServiceDep,
    limit: PartLimit = None,
    cursor: OptionalCursor = None,
) -> Response:
    """Show a run's history."""
    known_id = run_id_of(run_id)
    after = position_of(cursor or "0")
    most = limit or MOST
    events, following = await service.reader.history(known_id, after, most)
    await _need_run(service, known_id, events)
    is_of_page = limit is not None or cursor is not None
    if following is not None and not is_of_page:
        parts = all_events(service.reader, known_id, events, following)
        return data_in_parts(parts)
    shown = [event.present() for event in events]
    if is_of_page:
        meta = part_meta(limit, following)
        return page(shown, meta)
    return data([*shown])


@router.get(
    "/{run_id}/attempts",
    response_model=Part[list[AttemptEntry]],
    responses=failures(400, 404),
    dependencies=[MayRead],
    description="Show each execution of a run: when, by which worker, and how it ended;"
    " none if it never started. With `limit` or `cursor`, or where there are very many, it is a"
    " page, which may be shorter than `limit`, with `meta`.",
)
async def get_run_attempts(
    run_id: str,
    service: ServiceDep,
    limit: PartLimit = None,
    cursor: OptionalCursor = None,
) -> JsonAnswer:
    """Show each execution of a run."""
    known_id = run_id_of(run_id)
    after = position_of(cursor or "0")
    await _need_run(service, known_id, ())
    shown, following = await executions_after(
        service.reader,
        known_id,
        after,
        limit or MOST,
    )
    if limit is None and cursor is None and following is None:
        return data([*shown])
    meta = part_meta(limit, following)
    return page(shown, meta)


@router.get(
    "/{run_id}/explain",
    response_model=Explained,
    responses=failures(400, 404),
    dependencies=[MayRead],
    description="Tell why a run waits, by the rules that decide on claims: every reason, whether it"
    " binds, since when, and who is in the way; of an ended run, how it ended, with the evidence."
    " With `asOf` the same of a past moment, as far as that is kept: which workers lived then is"
    " not, and `unknown` says so.",
)
async def explain_run(
    run_id: str, connection: ConnectionDep, service: ServiceDep, as_of: AsOfDep
) -> JsonAnswer:
    """Tell why a run waits, or how it ended."""
    known_id = run_id_of(run_id)
    files = service.files
    if as_of is None:
        quarantine = service.jobs.quarantine
        now = await explain_now(connection, files, quarantine, known_id)
        if now is None:
            raise run_not_found()
        return data(now)
    then = await explain_then(connection, files, known_id, as_of)
    if then is None:
        raise run_not_found()
    explanation, position = then
    return page(explanation, {"asOf": position})


async def _need_run(service: Service, run_id: UUID, known: Sequence[Envelope]) -> None:
    """Look whether there is such a run, if no event of its is known."""
    events = known
    if not events:
        events, _ = await service.reader.history(run_id, 0, 1)
    if not events or events[0].subject != "job_run":
        raise run_not_found()
