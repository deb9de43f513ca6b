"""`/subjects`: erasing a person's data. First what clients send and see, then the route."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import AwareDatetime, Field

from api.http.dependencies import OriginDep, ServiceDep
from api.http.errors import JsonAnswer, data
from api.http.strict_json import StrictJsonRoute
from api.shapes.base import Data, Shape, _Body, described, failures
from projections import erased_subjects


@described(
    "A subject whose personal data cannot be read any more:"
    " what a client still holds of them should go, too."
)
class ErasedSubject(Shape):
    """A subject whose personal data cannot be read any more."""

    key_id: str = Field(
        description="of the key that is destroyed; events name it where its data were"
    )
    reason: str | None
    runs: int = Field(description="how many runs held its data")
    erased_at: AwareDatetime


class Erasure(ErasedSubject):
    """What an erasure did, and where in the log it stands."""

    position: int


class EraseBody(_Body):
    """Whom to erase, and why; the log keeps the reason for ever, so it should name nobody."""

    subject: Annotated[str, Field(min_length=1)] | int
    reason: Annotated[str, Field(max_length=1_000)] | None = None


router = APIRouter(prefix="/subjects", route_class=StrictJsonRoute, tags=["subjects"])


@router.post(
    "/erase",
    response_model=Data[Erasure],
    responses=failures(400, 404, 409, 413, 415, 429),
    description="Destroy the subject's key: its personal data cannot be read any more,"
    " in the log and in all that follows from it.\n\n"
    "Asked again, this is a 404: nothing is kept under the name any more.",
)
async def erase_subject(body: EraseBody, service: ServiceDep, origin: OriginDep) -> JsonAnswer:
    """Destroy the key of a subject's personal data."""
    subject = str(body.subject)
    erasure = await service.subjects.erase(subject, body.reason, origin)
    shown = erased_subjects.present(erasure.row)
    return data({**shown, "position": erasure.position})
