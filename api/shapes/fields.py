"""What clients send: shapes and ranges of single fields (contract, sections 2 to 4).

Rules between fields are the domain's.
"""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from domain.clock import from_iso

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
Time = Annotated[datetime, BeforeValidator(_time, json_schema_input_type=str)]
Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$", max_length=100)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)


Name = Annotated[str, Field(min_length=1, max_length=200)]
