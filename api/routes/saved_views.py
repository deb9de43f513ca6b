"""`/views`: saved views of the list of runs, shared by all users. First the shapes."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from api.http.dependencies import ConnectionDep, FilesDep, MayRead, OriginDep, ServiceDep
from api.http.errors import JsonResponse, data
from api.http.strict_json import StrictJsonRoute
from api.routes.as_of import AsOfDep
from api.shapes.base import Data, RequestBody, Shape, failures, with_columns
from domain.filters import MAX_WORDS
from domain.saved_views import MAX_FILTER, MAX_NAME, MAX_VIEWS, ViewContent
from eventlog.history.as_of import open_past
from projections import saved_views
from projections.runs.filters import Order


@with_columns(saved_views.SavedViewRow, saved_views.SHOWN)
class SavedView(Shape):
    """A filter of the list of runs under a name that everybody sees."""


class SavedViewBody(RequestBody):
    """What the view shows."""

    filter: Annotated[list[str], Field(max_length=MAX_WORDS)] = Field(
        description='conditions that must all hold, such as `["job=report", "status!=expired"]`,'
        f" {MAX_FILTER} characters together; none for all runs"
    )
    sort: Order = "created"


router = APIRouter(prefix="/views", route_class=StrictJsonRoute, tags=["views"])


@router.get(
    "",
    response_model=Data[list[SavedView]],
    responses=failures(400),
    dependencies=[MayRead],
    description=f"List all saved views by name; there are at most {MAX_VIEWS}.",
)
async def list_views(connection: ConnectionDep, files: FilesDep, as_of: AsOfDep) -> JsonResponse:
    """List all saved views by name."""
    if as_of is None:
        rows = await saved_views.by_name(connection)
    else:
        async with open_past(connection, files, as_of) as past:
            rows = await past.saved_views()
    return data([saved_views.present(row) for row in rows])


@router.put(
    "/{name:path}",
    response_model=Data[SavedView],
    responses={
        201: {"model": Data[SavedView], "description": "No view had this name"},
        **failures(400, 409, 413, 415, 429),
    },
    description="Save a view under a name, in place of the one that has it. A repeated request"
    " changes nothing. Conditions on parameters that a job marks as personal data are refused: the"
    f" log keeps views in the open. A name has at most {MAX_NAME} characters, none of them a"
    " control character.",
)
async def save_view(
    name: str, body: SavedViewBody, service: ServiceDep, origin: OriginDep
) -> JsonResponse:
    """Save a view under a name."""
    content = ViewContent(body.filter, body.sort)
    saved = await service.views.save(name, content, origin)
    return data(saved_views.present(saved.row), 201 if saved.is_new else 200)


@router.delete(
    "/{name:path}", response_model=Data[SavedView], responses=failures(400, 404, 409, 413, 415, 429)
)
async def delete_view(name: str, service: ServiceDep, origin: OriginDep) -> JsonResponse:
    """Delete a view: its history stays, its name may be used again."""
    row = await service.views.delete(name, origin)
    return data(saved_views.present(row))
