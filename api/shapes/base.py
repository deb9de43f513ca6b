"""What all shapes of responses and of request bodies share.

First `Shape` and the envelopes of responses (`Data`, `Page`, `Failure`) as OpenAPI shows them; then
the types of fields in request bodies, and their base (`RequestBody`).
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    WithJsonSchema,
    create_model,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError, PydanticKnownError

from domain.clock import from_iso
from domain.json_values import Json, JsonObject
from domain.ports import Row
from domain.schema.dialects import shortened
from domain.state import Column, columns_in

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
M = TypeVar("M")


class Shape(BaseModel):
    """A shape of a response: its fields are camelCase, and there are no others."""

    # Built when OpenAPI needs it: building all would delay the start of the API.
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", defer_build=True)


S = TypeVar("S", bound=Shape)


def with_description(text: str) -> Callable[[type[S]], type[S]]:
    """Set a shape's description in OpenAPI, if it is too long for a docstring's first line."""

    def decorate(shape: type[S]) -> type[S]:
        shape.__doc__ = text
        return shape

    return decorate


def with_columns(row: type[Row], columns: Mapping[str, str]) -> Callable[[type[S]], type[S]]:
    """Add a table's public columns to a shape as fields; the shape's own fields take precedence.

    Args:
        row: the type of the table's rows.
        columns: public columns by their names in JSON.
    """
    names = set(columns.values())
    fields = {
        column.name: _field_type(column) for column in columns_in(row) if column.name in names
    }

    def decorate(shape: type[S]) -> type[S]:
        own_fields = shape.model_fields
        return create_model(
            shape.__name__,
            __base__=shape,
            __module__=shape.__module__,
            __doc__=shape.__doc__,
            **{name: type_ for name, type_ in fields.items() if name not in own_fields},
        )

    return decorate


def _field_type(column: Column) -> Any:
    type_: Any = column.value
    if column.kind == "timestamptz":
        type_ = AwareDatetime
    elif column.kind == "uuid":
        type_ = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
    elif type_ == JsonObject:
        type_ = dict[str, JsonValue]
    elif type_ == Json:
        type_ = JsonValue
    return type_ | None if column.nullable else type_


class Data(Shape, Generic[T]):
    """A success."""

    data: T


class Page(Shape, Generic[T, M]):
    """A success with a list."""

    data: T
    meta: M


class PartMeta(Shape):
    """Whether there is a next page, and its `cursor`."""

    limit: int
    has_more: bool
    next_cursor: str | None
    as_of: int | None = Field(
        default=None, description="the log position that is shown, if the request has `asOf`"
    )


class Part(Shape, Generic[T]):
    """A success with a list; if it is a page of a longer one, it has `meta`."""

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


@with_description(
    "The page's range; with `asOf` also the log position that it shows: use that for further pages."
)
class PageMeta(Shape):
    """The page's range, and the log position that it shows."""

    limit: int
    offset: int
    as_of: int | None = None


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI's `responses` for these statuses, and for those that every operation has."""
    return {
        status: {"model": ValidationFailure if status == HTTPStatus.BAD_REQUEST else Failure}
        for status in (*statuses, 401, 403, 429, 503)
    }


# Fields that clients send (contract, sections 2 to 4). Rules between fields are the domain's.

_MAX_DELAY_MS = 86_400_000
MAX_INT = 2**31 - 1
YEAR_MS = 31_536_000_000


def _time(value: object) -> datetime:
    if isinstance(value, str):
        with suppress(ValueError):  # Its words are Python's.
            return from_iso(value)
    message = "must be a time that exists, with an offset, such as 2026-11-24T14:31:04.123Z"
    raise PydanticCustomError("format", message)


AnyObject = dict[str, Any]
TimeoutMs = Annotated[int, Field(ge=1_000, le=86_400_000)]
Attempts = Annotated[int, Field(ge=1, le=10)]
DelayMs = Annotated[int, Field(ge=0, le=_MAX_DELAY_MS)]
Priority = Annotated[int, Field(ge=-100, le=100)]
Time = Annotated[
    datetime, BeforeValidator(_time), WithJsonSchema({"type": "string", "format": "date-time"})
]
Cursor = Annotated[str, Field(pattern=r"^[0-9]{1,18}$")]
Name = Annotated[str, Field(min_length=1, max_length=200)]
ReasonText = Annotated[str, Field(max_length=1_000)]
Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$", max_length=100)]


MAX_UNKNOWN_FIELDS = 100
"""Unknown fields that are reported one by one; with more the body is one issue."""


class RequestBody(BaseModel):
    """The base of all request bodies: camelCase, of strict types, without other fields."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)

    @model_validator(mode="before")
    @classmethod
    def _refuse_many_unknown_fields(cls, value: Any) -> Any:
        """Refuse a body with very many unknown fields at once, without an issue for each."""
        if isinstance(value, dict) and len(value) > len(cls.model_fields) + MAX_UNKNOWN_FIELDS:
            raise _too_many_fields(cls, value)
        return value


def _too_many_fields(body: type[BaseModel], value: dict[str, Any]) -> PydanticCustomError:
    fields = {field.alias for field in body.model_fields.values()}
    unknown = [name for name in value if name not in fields]
    names = [shortened(repr(name)) for name in unknown[:MAX_UNKNOWN_FIELDS]]
    context = {"names": ", ".join(names), "more": len(unknown) - len(names)}
    message = "unknown fields {names}, and {more} more"
    return PydanticCustomError("too_many_fields", message, context)


def has_at_most(members: int) -> BeforeValidator:
    """Return a validator that refuses an object with more members at once, not one by one."""

    def check(value: Any) -> Any:
        if isinstance(value, dict) and len(value) > members:
            raise PydanticKnownError(
                "too_long",
                {"field_type": "Dictionary", "max_length": members, "actual_length": len(value)},
            )
        return value

    return BeforeValidator(check)


def never_null(schema: dict[str, Any]) -> None:
    """Declare in OpenAPI that a field may be left out, but is never null."""
    kinds = schema.pop("anyOf")
    for kind in kinds:
        if kind != {"type": "null"}:
            schema.update(kind)


def default_of(spec: "type[DataclassInstance]", name: str) -> Any:
    """Return the default of a dataclass's field, for which a null in a body stands."""
    field = spec.__dataclass_fields__[name]
    if callable(field.default_factory):
        return field.default_factory()
    return field.default
