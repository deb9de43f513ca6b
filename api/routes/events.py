"""`/events`: the log itself, by position, for auditors. First the shapes, then the routes."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, Field, JsonValue

from api.http.dependencies import ConnectionDep, MayRead, ServiceDep, connection_for
from api.http.errors import JsonResponse, data, page
from api.http.strict_json import StrictJsonRoute
from api.shapes.base import Data, Page, Shape, failures
from eventlog.history.audit import EventFilter
from eventlog.measures import read_seal_progress


class Subject(Shape):
    """The aggregate of an event."""

    type: str
    id: str


class Event(Shape):
    """An event of the log."""

    position: int
    event_id: str
    type: str
    subject: Subject
    version: int
    occurred_at: AwareDatetime
    recorded_at: AwareDatetime | None
    actor: str | None
    correlation_id: str | None
    causation_id: str | None
    data: dict[str, JsonValue]


class EventPageMeta(Shape):
    """Where the next page of events begins; null at the log's end."""

    next: int | None


class LogSeal(Shape):
    """How far the log is sealed."""

    position: int = Field(description="position of the log's last event")
    sealed_position: int | None = Field(
        description="position of the last event that a seal covers; null if there is none"
    )
    seals: int = Field(description="how many seals there are")


router = APIRouter(prefix="/events", route_class=StrictJsonRoute, tags=["events"])

MAX_POSITION = 2**63 - 1

LARGE_PAGE = 100
"""Longer pages are for exports, and take turns, unless an index answers their filter."""


def _time(description: str) -> Any:
    """Return the query parameter of a time that may be left out."""
    extra: dict[str, Any] = {"format": "date-time"}
    return Query(max_length=40, description=description, json_schema_extra=extra)


@router.get(
    "",
    response_model=Page[list[Event], EventPageMeta],
    responses=failures(400),
    dependencies=[MayRead],
    description="List events in log order."
    " `meta.next` is the `after` of the next page, null at the log's end.",
)
async def list_events(  # noqa: PLR0913 - one for each query parameter
    request: Request,
    service: ServiceDep,
    after: Annotated[
        int, Query(ge=0, le=MAX_POSITION, description="position of the last event seen")
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    type: Annotated[  # noqa: A002 - the contract's name
        str,
        Query(
            max_length=1_000, description="`job_run.started` or `job_run.*`, several with commas"
        ),
    ] = "",
    subject: Annotated[
        str,
        Query(
            max_length=300,
            description="an id, or `job_run:ID`, `job_definition:SLUG`,"
            " `schedule:ID`, `repository:APP`, `build:ID`",
        ),
    ] = "",
    actor: Annotated[str, Query(max_length=300)] = "",
    correlation: Annotated[str, Query(max_length=36, description="a `correlationId`")] = "",
    since: Annotated[str, _time("events recorded then or later")] = "",
    until: Annotated[str, _time("events recorded before then")] = "",
) -> JsonResponse:
    """List events in log order."""
    event_filter = EventFilter.parse(
        types=type, subject=subject, actor=actor, correlation=correlation, since=since, until=until
    )
    is_costly = limit > LARGE_PAGE and not event_filter.is_indexed
    async with connection_for(request, service, ["/limit"] if is_costly else []) as connection:
        log_page = await service.audit.page_in(connection, event_filter, after, limit)
    return page([event.present() for event in log_page.events], {"next": log_page.next})


@router.get(
    "/seal",
    response_model=Data[LogSeal],
    responses=failures(400),
    dependencies=[MayRead],
    description="Show how far the log is sealed. `apphub-jobs seal verify` checks that the sealed"
    " part is unchanged.",
)
async def get_seal(connection: ConnectionDep) -> JsonResponse:
    """Show how far the log is sealed."""
    progress = await read_seal_progress(connection)
    return data(
        {
            "position": progress["position"],
            "sealedPosition": progress["sealed_position"],
            "seals": progress["seals"],
        }
    )
