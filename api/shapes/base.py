"""Answers: how they are written, and their shapes as OpenAPI shows them."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

T = TypeVar("T")
M = TypeVar("M")


class Shape(BaseModel):
    """A shape in an answer: camelCase, and nothing beside what is named."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")


S = TypeVar("S", bound=type[Shape])


def described(text: str) -> Callable[[S], S]:
    """Let clients read this of a shape, where it is too long for the first line of a docstring."""

    def add(shape: S) -> S:
        shape.__doc__ = text
        return shape

    return add


class Data(Shape, Generic[T]):
    """A success."""

    data: T


class Page(Shape, Generic[T, M]):
    """A success with a list."""

    data: T
    meta: M


class Failure(Shape):
    """A failure that is no validation."""

    error: str
    code: str


class FieldProblem(Shape):
    """One broken rule."""

    path: str = Field(description="JSON Pointer into the body")
    message: str
    keyword: str


class FormProblems(Shape):
    """Broken rules by field."""

    form_errors: list[str]
    field_errors: dict[str, list[str]]


class ValidationFailure(Shape):
    """A body, query or parameters that break rules."""

    error: FormProblems
    code: Literal["validation_failed"]
    issues: list[FieldProblem]


class Health(Shape):
    """The service answers."""

    status: Literal["ok"]


@described(
    "Where a page lies; with `asOf` also the position it shows: ask for further pages as of that."
)
class PageMeta(Shape):
    """Where a page lies, and what it shows."""

    limit: int
    offset: int
    as_of: int | None = None


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI's `responses` for these statuses, and for those that any call may have."""
    shapes: dict[int | str, dict[str, Any]] = {}
    for status in (*statuses, 401, 403, 503):
        shapes[status] = {"model": Failure}
    if HTTPStatus.BAD_REQUEST in shapes:
        shapes[HTTPStatus.BAD_REQUEST] = {"model": ValidationFailure}
    return shapes
