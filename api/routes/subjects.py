"""`/subjects`: erasing whom personal data are about."""

from fastapi import APIRouter

from api.http.dependencies import OriginDep, ServiceDep
from api.http.json_answer import JsonAnswer, data
from api.http.strict_json import StrictJsonRoute
from api.shapes.base import Data, failures
from api.shapes.subjects import EraseBody, Erasure
from projections import erased_subjects

router = APIRouter(prefix="/subjects", route_class=StrictJsonRoute, tags=["subjects"])


@router.post(
    "/erase",
    response_model=Data[Erasure],
    responses=failures(400, 404, 409, 413, 415, 429),
    description="Destroy the subject's key: its personal data cannot be read any more,"
    " in the log and in all that follows from it.\n\n"
    "Asked again, this is a 404: nothing is kept under the name any more.",
)
async def erase_subject(
    body: EraseBody, service: ServiceDep, origin: OriginDep
) -> JsonAnswer:
    """Destroy the key of a subject's personal data."""
    subject = str(body.subject)
    erasure = await service.subjects.erase(subject, body.reason, origin)
    shown = erased_subjects.present(erasure.row)
    return data({**shown, "position": erasure.position})
