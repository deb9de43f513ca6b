"""The jobs of the made-up service: the built-in ones, and many that differ in their limits."""

from dataclasses import dataclass
from uuid import UUID

from catalog.built_in_jobs import SPECS
from domain.identifiers import definition_id
from domain.jobs.definition import JobSpec

JOBS = 100


@dataclass(frozen=True)
class Job:
    """A definition."""

    id: UUID
    slug: str
    spec: JobSpec
    max_attempts: int


def made_up_jobs() -> list[Job]:
    """Return all jobs, the most frequent first; the built-in ones come third and fourth."""
    specs = {f"job-{number:03}": _spec(number) for number in range(JOBS - len(SPECS))}
    slugs = [*list(specs)[:2], *SPECS, *list(specs)[2:]]
    specs |= SPECS
    return [Job(definition_id(slug), slug, specs[slug], specs[slug].max_attempts) for slug in slugs]


_PRIORITIES = (0, 0, 0, 5, -5)
_LIMITED = range(7, JOBS, 20)
_KEYED = range(3, JOBS, 10)


def _spec(number: int) -> JobSpec:
    return JobSpec(
        name=f"Job number {number}",
        type="batch",
        entry_point=f"example.handler_{number}",
        timeout_ms=60_000,
        retry_policy={"maxAttempts": 2, "strategy": "fixed", "initialDelayMs": 1_000},
        priority=_PRIORITIES[number % 5],
        max_concurrent_runs=50 if number in _LIMITED else None,
        concurrency_key="field_0" if number in _KEYED else None,
    )
