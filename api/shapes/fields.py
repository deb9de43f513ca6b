"""What clients send: shapes and ranges of single fields (contract, sections 2 to 4).

Rules between fields are the domain's.
"""

from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError, PydanticKnownError

from domain.clock import from_iso
from domain.schema.dialects import shortened

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


JsonObject = dict[str, Any]
TimeoutMs = Annotated[int, Field(ge=1_000, le=86_400_000)]
Attempts = Annotated[int, Field(ge=1, le=10)]
DelayMs = Annotated[int, Field(ge=0, le=_MAX_DELAY_MS)]
Priority = Annotated[int, Field(ge=-100, le=100)]
Time = Annotated[
    datetime,
    BeforeValidator(_time),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Cursor = Annotated[str, Field(pattern=r"^[0-9]{1,18}$")]
Slug = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$", max_length=100)
]


MOST_UNKNOWN_FIELDS = 100
"""Unknown fields up to this number are each a problem of their own."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)

    @model_validator(mode="before")
    @classmethod
    def _has_few_fields(cls, sent: Any) -> Any:
        """Refuse a flood of unknown fields at once: each would cost a description of its own."""
        if (
            isinstance(sent, dict)
            and len(sent) > len(cls.model_fields) + MOST_UNKNOWN_FIELDS
        ):
            raise _too_many_fields(cls, sent)
        return sent


def _too_many_fields(
    body: type[BaseModel], sent: dict[str, Any]
) -> PydanticCustomError:
    known = {field.alias for field in body.model_fields.values()}
    unknown = [name for name in sent if name not in known]
    named: list[str] = []
    for name in unknown[:MOST_UNKNOWN_FIELDS]:
        quoted = repr(name)
        named.append(shortened(quoted))
    context = {
        "named": ", ".join(named),
        "more": len(unknown) - len(named),
    }
    message = "unknown fields {named}, and {more} more"
    return PydanticCustomError("too_many_fields", message, context)


def has_members(most: int) -> BeforeValidator:
    """Refuse an object of more members before these are looked at: each may be wrong by itself."""

    def check(sent: Any) -> Any:
        if isinstance(sent, dict) and len(sent) > most:
            context = {
                "field_type": "Dictionary",
                "max_length": most,
                "actual_length": len(sent),
            }
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
