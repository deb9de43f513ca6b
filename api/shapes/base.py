"""What all shapes share: how answers are written, and the fields that clients send.

First `Shape` and the envelopes of answers (`Data`, `Page`, `Failure`) as OpenAPI shows them, then
the types of single fields in bodies.
"""

from collections.abc import Callable, Mapping
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
    """A shape in an answer: camelCase, without further fields."""

    # Built when OpenAPI needs it: building all would delay the start of the API.
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", defer_build=True)


S = TypeVar("S", bound=Shape)


def described(text: str) -> Callable[[type[S]], type[S]]:
    """Set a shape's description for clients, if it is too long for a docstring's first line."""

    def add(shape: type[S]) -> type[S]:
        shape.__doc__ = text
        return shape

    return add


def with_columns(row: type[Row], columns: Mapping[str, str]) -> Callable[[type[S]], type[S]]:
    """Add a table's public columns to a shape as fields; the shape's own fields take precedence.

    Args:
        row: the type of the table's rows.
        columns: public columns by their names in JSON.
    """
    names = set(columns.values())
    fields = {column.name: _field(column) for column in columns_in(row) if column.name in names}

    def add(shape: type[S]) -> type[S]:
        own = shape.model_fields
        return create_model(
            shape.__name__,
            __base__=shape,
            __module__=shape.__module__,
            __doc__=shape.__doc__,
            **{name: kind for name, kind in fields.items() if name not in own},
        )

    return add


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
    """Whether there is a next page, and its `cursor`."""

    limit: int
    has_more: bool
    next_cursor: str | None


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


class Health(Shape):
    """The service answers."""

    status: Literal["ok"]


class NotReady(Shape):
    """What keeps this process from serving, for an operator."""

    reasons: list[str]


@described(
    "The page's range; with `asOf` also the log position that it shows: use that for further pages."
)
class PageMeta(Shape):
    """The page's range, and the log position that it shows."""

    limit: int
    offset: int
    as_of: int | None = None


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI's `responses` for these statuses, and for those of every operation."""
    return {
        status: {"model": ValidationFailure if status == HTTPStatus.BAD_REQUEST else Failure}
        for status in (*statuses, 401, 403, 429, 503)
    }


# Fields that clients send (contract, sections 2 to 4). Rules between fields are the domain's.

_MAX_DELAY_MS = 86_400_000
_MAX_INT = 2**31 - 1
_YEAR_MS = 31_536_000_000


def _time(value: object) -> datetime:
    if not isinstance(value, str):
        msg = "must be a time such as 2026-11-24T14:31:04.123Z"
        raise ValueError(msg)  # noqa: TRY004 - pydantic turns a ValueError into a message
    return from_iso(value)


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


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)

    @model_validator(mode="before")
    @classmethod
    def _has_few_fields(cls, sent: Any) -> Any:
        """Refuse a body with very many unknown fields at once, without an issue for each."""
        if isinstance(sent, dict) and len(sent) > len(cls.model_fields) + MAX_UNKNOWN_FIELDS:
            raise _too_many_fields(cls, sent)
        return sent


def _too_many_fields(body: type[BaseModel], sent: dict[str, Any]) -> PydanticCustomError:
    fields = {field.alias for field in body.model_fields.values()}
    unknown = [name for name in sent if name not in fields]
    named = [shortened(repr(name)) for name in unknown[:MAX_UNKNOWN_FIELDS]]
    context = {"named": ", ".join(named), "more": len(unknown) - len(named)}
    message = "unknown fields {named}, and {more} more"
    return PydanticCustomError("too_many_fields", message, context)


def has_at_most(members: int) -> BeforeValidator:
    """Refuse an object with more members before they are validated one by one."""

    def check(sent: Any) -> Any:
        if isinstance(sent, dict) and len(sent) > members:
            raise PydanticKnownError(
                "too_long",
                {"field_type": "Dictionary", "max_length": members, "actual_length": len(sent)},
            )
        return sent

    return BeforeValidator(check)


def never_null(schema: dict[str, Any]) -> None:
    """Declare in OpenAPI that a field may be left out, but is never null."""
    kinds = schema.pop("anyOf")
    for kind in kinds:
        if kind != {"type": "null"}:
            schema.update(kind)


def default_of(spec: "type[DataclassInstance]", name: str) -> Any:
    """Return the default of a dataclass's field: what a null in a body stands for."""
    field = spec.__dataclass_fields__[name]
    if callable(field.default_factory):
        return field.default_factory()
    return field.default
