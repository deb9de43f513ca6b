"""`/apps`: the catalog, whose apps the built-in jobs ingest."""

from fastapi import APIRouter

from api.answers import AppShape, Data, IngestionEvent, JsonAnswer, data, failures
from api.bodies import AppBody
from api.context import ConnectionDep, MayRead, OriginDep, ServiceDep
from api.strict_json import StrictJsonRoute
from domain.errors import NotFoundError
from domain.identifiers import repository_id
from domain.ports import Row
from projections import repositories
from projections.table import Connection

router = APIRouter(prefix="/apps", route_class=StrictJsonRoute, tags=["apps"])


@router.get("", response_model=Data[list[AppShape]], responses=failures(), dependencies=[MayRead])
async def list_apps(connection: ConnectionDep) -> JsonAnswer:
    """List every app, ordered by id."""
    return data([repositories.present(row) for row in await repositories.all_by_id(connection)])


@router.post("", status_code=201, response_model=Data[AppShape], responses=failures(400, 409, 413, 415, 429))
async def add_app(body: AppBody, service: ServiceDep, origin: OriginDep) -> JsonAnswer:
    """Add an app and launch its ingestion; the answer does not wait for it."""
    return data(repositories.present(await service.jobs.add_app(body.app(), origin)), 201)


@router.get("/{app_id}", response_model=Data[AppShape], responses=failures(404), dependencies=[MayRead])
async def get_app(app_id: str, connection: ConnectionDep) -> JsonAnswer:
    """Show an app."""
    return data(repositories.present(await _known_app(connection, app_id)))


@router.get(
    "/{app_id}/history", response_model=Data[list[IngestionEvent]], responses=failures(404), dependencies=[MayRead]
)
async def get_history(app_id: str, service: ServiceDep) -> JsonAnswer:
    """Show the steps of an app's ingestions, newest first, straight from the log."""
    events = await service.reader.histories([repository_id(app_id)])
    if not events:
        raise _app_not_found()
    entries = [entry for event in events if (entry := repositories.history_entry(event, app_id))]
    return data([*reversed(entries)])


@router.post("/{app_id}/retry", status_code=202, response_model=Data[AppShape], responses=failures(400, 404, 409, 429))
async def retry_ingestion(app_id: str, service: ServiceDep, origin: OriginDep) -> JsonAnswer:
    """Launch another ingestion."""
    return data(repositories.present(await service.jobs.retry_ingestion(app_id, origin)), 202)


async def _known_app(connection: Connection, app_id: str) -> Row:
    app = await repositories.by_client_id(connection, app_id) if "\x00" not in app_id else None
    if app is None:
        raise _app_not_found()
    return app


def _app_not_found() -> NotFoundError:
    return NotFoundError("app_not_found", "app not found")
