"""`GET /me`: the principal of the request, and whether it may write. First the shape."""

from typing import Literal

from fastapi import APIRouter
from pydantic import Field

from api.http.dependencies import ReaderDep, ServiceDep
from api.http.errors import JsonResponse, data
from api.http.strict_json import StrictJsonRoute
from api.shapes.base import Data, Shape, failures


class Me(Shape):
    """The holder of the token that came with the request."""

    principal: str = Field(description="the name that events keep as their actor")
    role: Literal["read", "write"] = Field(description="`write` allows to read, too")
    is_open: bool = Field(description="whether the service needs no token: everybody may write")


router = APIRouter(prefix="/me", route_class=StrictJsonRoute, tags=["access"])


@router.get(
    "",
    response_model=Data[Me],
    responses=failures(400),
    description="Show whose token came with the request, and whether it may write.",
)
async def who_am_i(principal: ReaderDep, service: ServiceDep) -> JsonResponse:
    """Show the holder of the token."""
    return data(
        {
            "principal": principal.name,
            "role": "write" if principal.may_write else "read",
            "isOpen": service.settings.tokens is None,
        }
    )
