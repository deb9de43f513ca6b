"""What all shapes share: how answers are written, and the fields that clients send.

First `Shape` and the envelopes of answers (`Data`, `Page`, `Failure`) as OpenAPI shows them, then
the types of single fields in bodies.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Generic, Literal, TypeVar

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

T = TypeVar("T")
M = TypeVar("M")


class Shape(BaseModel):
    """A shape in an answer: camelCase, and nothing beside what is named."""

    # Built when OpenAPI shows it: to build all keeps the start of the API waiting.
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", defer_build=True)


S = TypeVar("S", bound=Shape)


def described(text: str) -> Callable[[type[S]], type[S]]:
    """Let clients read this of a shape, where it is too long for the first line of a docstring."""

    def add(shape: type[S]) -> type[S]:
        shape.__doc__ = text
        return shape

    return add


def with_columns(row: type[Row], shown: Mapping[str, str]) -> Callable[[type[S]], type[S]]:
    """Give a shape, in their order, the columns of a row that clients see, but for its own fields.

    Args:
        row: the type of a table's rows.
        shown: columns by their names in JSON.
    """
    names = set(shown.values())
    fields = {column.name: _field(column) for column in columns_in(row) if column.name in names}

    def give(shape: type[S]) -> type[S]:
        place, about = shape.__module__, shape.__doc__
        name = shape.__name__
        own = shape.model_fields
        added = {field: kind for field, kind in fields.items() if field not in own}
        return create_model(name, __base__=shape, __module__=place, __doc__=about, **added)

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


# What clients send: shapes and ranges of single fields (contract, sections 2 to 4).
#
# Rules between fields are the domain's.

_MAX_DELAY_MS = 86_400_000
_MAX_INT = 2**31 - 1
_YEAR_MS = 31_536_000_000


def _time(value: object) -> datetime:
    if not isinstance(value, str):
        msg = "must be a time such as 2026-11-24T14:31:04.123Z"
        raise ValueError(msg)  # noqa: TRY004 - pydantic turns a ValueError into a message
    try:
        return from_iso(value)
    except OverflowError:  # 9999-12-31T23:59:59-01:00 lies in the year 10000.
        msg = "must lie between the years 1 and 9999, in UTC"
        raise ValueError(msg) from None


AnyObject = dict[str, Any]
TimeoutMs = Annotated[int, Field(ge=1_000, le=86_400_000)]
Attempts = Annotated[int, Field(ge=1, le=10)]
DelayMs = Annotated[int, Field(ge=0, le=_MAX_DELAY_MS)]
Priority = Annotated[int, Field(ge=-100, le=100)]
Time = Annotated[
    datetime, BeforeValidator(_time), WithJsonSchema({"type": "string", "format": "date-time"})
]
Cursor = Annotated[str, Field(pattern=r"^[0-9]{1,18}$")]
Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$", max_length=100)]


MOST_UNKNOWN_FIELDS = 100
"""Unknown fields up to this number are each a problem of their own."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)

    @model_validator(mode="before")
    @classmethod
    def _has_few_fields(cls, sent: Any) -> Any:
        """Refuse a flood of unknown fields at once: each would cost a description of its own."""
        if isinstance(sent, dict) and len(sent) > len(cls.model_fields) + MOST_UNKNOWN_FIELDS:
            raise _too_many_fields(cls, sent)
        return sent


def _too_many_fields(body: type[BaseModel], sent: dict[str, Any]) -> PydanticCustomError:
    known = {field.alias for field in body.model_fields.values()}
    unknown = [name for name in sent if name not in known]
    named: list[str] = []
    for name in unknown[:MOST_UNKNOWN_FIELDS]:
        quoted = repr(name)
        named.append(shortened(quoted))
    context = {"named": ", ".join(named), "more": len(unknown) - len(named)}
    message = "unknown fields {named}, and {more} more"
    return PydanticCustomError("too_many_fields", message, context)


def has_members(most: int) -> BeforeValidator:
    """Refuse an object of more members before these are looked at: each may be wrong by itself."""

    def check(sent: Any) -> Any:
        if isinstance(sent, dict) and len(sent) > most:
            context = {"field_type": "Dictionary", "max_length": most, "actual_length": len(sent)}
            raise PydanticKnownError("too_long", context)
        return sent

    return BeforeValidator(check)


def never_null(schema: dict[str, Any]) -> None:
    """Let OpenAPI say of a field that it may be left out, but is never null."""
    kinds = schema.pop("anyOf")
    for kind in kinds:
        if kind != {"type": "null"}:
            schema.update(kind)


Name = Annotated[str, Field(min_length=1, max_length=200)]
