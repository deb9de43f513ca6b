"""What it costs to append: launches, claims and results, in process, without HTTP."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from statistics import median
from time import perf_counter

from domain.commands.executions import Claim
from domain.jobs.launching import Launch
from domain.jobs.run_events import Report
from domain.json_values import JsonObject
from tests.support.logs import TESTER, Parts, parts

CALLERS = 64

ROUNDS, ROUND_S = 12, 1.0

SINGLE = 25

CLAIMS, SLOTS = 8, 4

WORKER = "growth-worker"

SLUG = "job-001"
"""A frequent job without limits."""

PARAMETERS: JsonObject = {"customer": "orders", "rows": [1, 2, 3], "day": "2026-11-24"}


async def measure(urls: Mapping[int, str]) -> dict[str, dict[int, list[float]]]:
    """Return the milliseconds of each kind of append, by database and round, taken in turns."""
    figures: dict[str, dict[int, list[float]]] = {}
    async with AsyncExitStack() as stack:
        services = {size: await stack.enter_async_context(parts(url)) for size, url in urls.items()}
        for part in services.values():
            await part.worker(WORKER)
            await _launch_many(part, ROUND_S / 2)  # Warm.
        for _ in range(ROUNDS):
            for size, part in services.items():
                for name, took in (await _round(part)).items():
                    figures.setdefault(name, {}).setdefault(size, []).append(took)
    return figures


async def _round(part: Parts) -> dict[str, float]:
    many = await _launch_many(part, ROUND_S)
    singles = [await _launch(part) for _ in range(SINGLE)]
    claimed = [await _claim(part) for _ in range(CLAIMS)]
    ended = [await _succeed(part, claim) for _, claims in claimed for claim in claims]
    return {
        f"launch, {CALLERS} callers at a time": many,
        "launch, one at a time": median(singles),
        f"claim of {SLOTS} runs": median(took for took, _ in claimed),
        "result of a run": median(ended),
    }


async def _launch(part: Parts, key: str | None = None) -> float:
    started = perf_counter()
    await part.jobs.launch(SLUG, Launch(parameters={**PARAMETERS}, idempotency_key=key), TESTER)
    return (perf_counter() - started) * 1_000


async def _launch_many(part: Parts, seconds: float) -> float:
    started = perf_counter()

    async def call() -> int:
        launched = 0
        while perf_counter() - started < seconds:
            await _launch(part)
            launched += 1
        return launched

    launched = sum(await asyncio.gather(*(call() for _ in range(CALLERS))))
    return (perf_counter() - started) * 1_000 / launched


async def _claim(part: Parts) -> tuple[float, list[Claim]]:
    started = perf_counter()
    claims = await part.executions.claim(WORKER, SLOTS)
    return (perf_counter() - started) * 1_000, claims


async def _succeed(part: Parts, claim: Claim) -> float:
    started = perf_counter()
    await part.executions.succeed(
        claim.run.id, claim.holder, {"rows": 17}, Report({"seconds": 1.5}, {})
    )
    return (perf_counter() - started) * 1_000
