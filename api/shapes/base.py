"""Answers: how they are written, and their shapes as OpenAPI shows them."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    create_model,
)
from pydantic.alias_generators import to_camel

from domain.json_values import Json, JsonObject
from domain.ports import Row
from projections.rows import Column, columns_in

T = TypeVar("T")
M = TypeVar("M")


class Shape(BaseModel):
    """A shape in an answer: camelCase, and nothing beside what is named."""

    # Built when OpenAPI shows it: to build all keeps the start of the API waiting.
    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", defer_build=True
    )


S = TypeVar("S", bound=Shape)


def described(text: str) -> Callable[[type[S]], type[S]]:
    """Let clients read this of a shape, where it is too long for the first line of a docstring."""

    def add(shape: type[S]) -> type[S]:
        shape.__doc__ = text
        return shape

    return add


def with_columns(
    row: type[Row], shown: Mapping[str, str]
) -> Callable[[type[S]], type[S]]:
    """Give a shape, in their order, the columns of a row that clients see, but for its own fields.

    Args:
        row: the type of a table's rows.
        shown: columns by their names in JSON.
    """
    names = set(shown.values())
    fields = {
        column.name: _field(column)
        for column in columns_in(row)
        if column.name in names
    }

    def give(shape: type[S]) -> type[S]:
        place, about = shape.__module__, shape.__doc__
        name = shape.__name__
        own = shape.model_fields
        added = {field: kind for field, kind in fields.items() if field not in own}
        return create_model(
            name, __base__=shape, __module__=place, __doc__=about, **added
        )

    return give


def _field(column: Column) -> Any:
    value: Any = column.value
    if column.kind == "timestamptz":
        value = AwareDatetime
    elif column.kind == "uuid":
        value = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
    elif value == JsonObject:
        value = dict[str, JsonValue]
    elif value == Json:
        value = JsonValue
    if column.nullable:
        return value | None
    return value


class Data(Shape, Generic[T]):
    """A success."""

    data: T


class Page(Shape, Generic[T, M]):
    """A success with a list."""

    data: T
    meta: M


class PartMeta(Shape):
    """Whether more follows, and the `cursor` that leads to it."""

    limit: int
    has_more: bool
    next_cursor: str | None


class Part(Shape, Generic[T]):
    """A success with a list, which may be a part of a longer one: then `meta` tells more."""

    data: T
    meta: PartMeta | None = None


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
    code: Literal["validation_failed", "query_too_costly"]
    issues: list[FieldProblem]


class Health(Shape):
    """The service answers."""

    status: Literal["ok"]


class NotReady(Shape):
    """What keeps this process from serving, in words for an operator."""

    reasons: list[str]


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
    for status in (*statuses, 401, 403, 429, 503):
        shape: type[Shape] = Failure
        if status == HTTPStatus.BAD_REQUEST:
            shape = ValidationFailure
        shapes[status] = {"model": shape}
    return shapes
