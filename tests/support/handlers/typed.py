"""Jobs made of typed functions."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
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


@job(retries=1, retry_strategy="none")
def tell(context: JobRunContext, lines: int, until: str) -> int:
    """Print lines, wait for a file, and fail at the first attempt."""
    for number in range(lines):
        print(f"line {number} of {context.run.attempt}: \u2028é", flush=True)
    while not Path(until).exists():
        context.cancelled.wait(0.02)
    if not context.run.is_last_attempt:
        raise ValueError("not yet")
    context.update(progress=1)
    return lines


def plain(context: JobRunContext) -> dict[str, Any]:
    """Return JSON and a dataclass, without any decorator."""
    return {"id": context.run["id"], "seen": [Seen("2026", context.run.attempt)]}  # type: ignore[arg-type]


HANDLERS = {"test.plain": plain}
