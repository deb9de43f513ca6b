"""`/subjects`: erasing a person's data. First the shapes, then the route."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import AwareDatetime, Field

from api.http.dependencies import OriginDep, ServiceDep
from api.http.errors import JsonResponse, data
from api.http.strict_json import StrictJsonRoute
from api.shapes.base import Data, ReasonText, RequestBody, Shape, failures, with_description
from projections import erased_subjects


@with_description(
    "A subject whose personal data cannot be read any more:"
    " what a client still holds of them should go, too."
)
class ErasedSubject(Shape):
    """A subject whose personal data cannot be read any more."""

    key_id: str = Field(description="id of the destroyed key; events name it where the data were")
    reason: str | None
    runs: int = Field(description="how many runs held its data")
    erased_at: AwareDatetime


class Erasure(ErasedSubject):
    """What an erasure did, and its position in the log."""

    position: int


class EraseBody(RequestBody):
    """The subject to erase; the log keeps the reason for ever, so it should name nobody."""

    subject: Annotated[str, Field(min_length=1)] | int
    reason: ReasonText | None = None


router = APIRouter(prefix="/subjects", route_class=StrictJsonRoute, tags=["subjects"])


@router.post(
    "/erase",
    response_model=Data[Erasure],
    responses=failures(400, 404, 409, 413, 415, 429),
    description="Destroy the subject's key: its personal data cannot be read any more,"
    " in the log and in all that follows from it.\n\n"
    "A repeated call is a 404: nothing is kept under the name any more.",
)
async def erase_subject(body: EraseBody, service: ServiceDep, origin: OriginDep) -> JsonResponse:
    """Destroy the key of a subject's personal data."""
    erasure = await service.subjects.erase(str(body.subject), body.reason, origin)
    return data({**erased_subjects.present(erasure.row), "position": erasure.position})
