"""Jobs made of typed functions."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, Field

from apphub_jobs import JobRunContext, job


class Window(BaseModel):
    first: date
    days: Annotated[int, Field(ge=1)] = 1


@dataclass
class Seen:
    last: date
    attempt: int


@job(entry_point="test.typed", retries=2)
def look(context: JobRunContext, window: Window) -> Seen:
    """Look through a window of days."""
    last = window.first + timedelta(days=window.days)
    context.logger.info("looked until %s", last)
    return Seen(last, context.run.attempt)


@job(entry_point="test.typed_later")
async def look_later(window: Window) -> date:
    """Look, and be awaited."""
    return window.first


@job(entry_point="test.misplaced")
def misplaced() -> Any:
    """Return what JSON cannot hold, deep inside."""
    return {"days": [1, {"first": date(2026, 11, 25)}]}
