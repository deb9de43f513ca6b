"""Jobs for the commands of every day, as a user writes them."""

import sys
from typing import Literal

from apphub_jobs import JobResult, JobRunContext, job


@job
def greet(name: str, times: int = 1) -> list[str]:
    """Greet somebody."""
    print(f"greeting {name}")
    return [f"Hello, {name}"] * times


@job(retries=1)
def end_as(status: Literal["failed", "canceled", "expired"]) -> JobResult:
    """End as told."""
    return JobResult(status=status, error_message="as it was told")


@job
def steps(context: JobRunContext, pause_s: float = 0.05, count: int = 4) -> str:
    """Go on step by step, and tell how far it is."""
    for step in range(count):
        context.update(progress=step / count)
        print(f"step {step}")
        if context.cancelled.wait(pause_s):
            return "stopped"
    return "done"


@job
def steer(letters: str, *, fails: bool = False) -> None:
    """Print what a terminal might obey; fail with it if told."""
    print(f"{letters}\x1b[31mred\x1b[0m")
    print("careful", file=sys.stderr)
    if fails:
        raise ValueError(letters)
