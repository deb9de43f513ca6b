"""`/events`: the log itself, by position, for auditors."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from api.answers import Event, EventPageMeta, JsonAnswer, Page, failures
from api.context import MayRead, ServiceDep, storable
from api.strict_json import StrictJsonRoute
from domain import identifiers
from domain.clock import from_iso
from domain.errors import InvalidInputError, Issue
from eventlog.audit import EventFilter

router = APIRouter(prefix="/events", route_class=StrictJsonRoute, tags=["events"])

MAX_POSITION = 2**63 - 1


@router.get("", response_model=Page[list[Event], EventPageMeta], responses=failures(400), dependencies=[MayRead])
async def list_events(  # noqa: PLR0913 - one for each query parameter
    service: ServiceDep,
    after: Annotated[int, Query(ge=0, le=MAX_POSITION, description="position of the last event seen")] = 0,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    type: Annotated[  # noqa: A002 - the contract's name
        str, Query(max_length=1_000, description="`job_run.started` or `job_run.*`, several with commas")
    ] = "",
    subject: Annotated[
        str,
        Query(
            max_length=300, description="an id, or `job_run:ID`, `job_definition:SLUG`, `repository:APP`, `build:ID`"
        ),
    ] = "",
    actor: Annotated[str, Query(max_length=300)] = "",
    correlation: Annotated[str, Query(max_length=36, description="a `correlationId`")] = "",
    since: Annotated[str, Query(max_length=40, description="ISO 8601")] = "",
    until: Annotated[str, Query(max_length=40, description="ISO 8601")] = "",
) -> JsonAnswer:
    """List events in log order. `meta.next` is the `after` of the next page, null at the log's end."""
    kind, aggregate_id = _subject(storable(subject, "/subject"))
    types = [part.strip() for part in storable(type, "/type").split(",") if part.strip()]
    wanted = EventFilter(
        types=types,
        kind=kind,
        aggregate_id=aggregate_id,
        actor=storable(actor, "/actor") or None,
        correlation_id=_uuid(correlation, "/correlation") if correlation else None,
        since=_time(since, "/since"),
        until=_time(until, "/until"),
    )
    page = await service.audit.page(wanted, after, limit)
    return JsonAnswer({"data": [event.present() for event in page.events], "meta": {"next": page.next}})


def _subject(text: str) -> tuple[str | None, UUID | None]:
    """Return the kind of aggregate and its id; either may be missing."""
    kind, colon, name = text.partition(":")
    if not text:
        return None, None
    if not colon:
        return (text, None) if text in SUBJECTS else (None, _uuid(text, "/subject"))
    match kind:
        case "job_definition":
            return kind, identifiers.definition_id(name)
        case "repository":
            return kind, identifiers.repository_id(name)
        case "job_run" | "build":
            return kind, _uuid(name, "/subject")
        case _:
            raise InvalidInputError(
                [Issue("/subject", f"there is no {kind!r}; there are {', '.join(SUBJECTS)}", "enum")]
            )


SUBJECTS = ("job_run", "job_definition", "repository", "build")


def _uuid(text: str, path: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidInputError([Issue(path, f"{text!r} is no id", "format")]) from None


def _time(text: str, path: str) -> datetime | None:
    try:
        return from_iso(text) if text else None
    except (ValueError, OverflowError):
        raise InvalidInputError([Issue(path, "must be a time such as 2026-11-24T14:31:04.123Z", "format")]) from None
