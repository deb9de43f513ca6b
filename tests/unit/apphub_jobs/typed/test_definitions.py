"""What a job's definition says, by its signature and options."""

import inspect
import re
from collections.abc import Callable
from dataclasses import fields
from datetime import timedelta
from enum import Enum
from functools import partial
from typing import Annotated, Any, get_overloads

import pytest
from pydantic import BaseModel, Field

from api.shapes.jobs import JobBody
from apphub_jobs import JobDefinitionError, JobResult, JobRunContext, job
from apphub_jobs.typed.job import JobOptions, milliseconds


class Level(Enum):
    LOW = "low"
    HIGH = "high"


class Window(BaseModel):
    days: Annotated[int, Field(ge=1, le=31)] = 7
    tags: list[str] = []


@job
def mirror_repository(
    context: JobRunContext,
    repository: Annotated[str, Field(min_length=1, description="which one")],
    level: Level = Level.LOW,
    window: Window = Window(),  # noqa: B008 - models are not changed
) -> dict[str, int]:
    """Mirror a repository.

    Everything of it.
    """
    return {}


def test_the_arguments_that_type_checkers_see_are_those_that_are_taken() -> None:
    *_, seen = [inspect.signature(one) for one in get_overloads(job)]
    taken = inspect.signature(job)
    slug, *options = seen.parameters.values()
    same_slug, *same_options = taken.parameters.values()
    assert options == same_options
    assert (slug.name, slug.kind) == (same_slug.name, same_slug.kind)
    names = [option.name for option in options]
    assert sorted(["slug", *names]) == sorted(one.name for one in fields(JobOptions))
    documented = re.findall(r"^    (\w+): ", inspect.getdoc(job) or "", re.MULTILINE)
    assert documented == ["slug", *names]


def test_a_signature_becomes_schemas_and_defaults() -> None:
    definition = mirror_repository.definition
    schema = definition["parametersSchema"]
    assert definition["slug"] == definition["entryPoint"] == "mirror-repository"
    assert definition["name"] == "Mirror repository"
    assert definition["type"] == "batch"
    description = "Mirror a repository.\n\nEverything of it."
    assert definition["metadata"] == {"description": description}
    assert schema["required"] == ["repository"]
    assert schema["additionalProperties"] is False
    assert list(schema["properties"]) == ["repository", "level", "window"]
    assert schema["properties"]["repository"] == {
        "type": "string",
        "minLength": 1,
        "description": "which one",
        "title": "Repository",
    }
    assert schema["$defs"]["Level"]["enum"] == ["low", "high"]
    assert schema["$defs"]["Window"]["properties"]["days"]["maximum"] == 31
    assert definition["defaultParameters"] == {"level": "low", "window": {"days": 7, "tags": []}}
    assert definition["outputSchema"] == {
        "type": "object",
        "additionalProperties": {"type": "integer"},
    }


def test_options_become_the_definitions_fields() -> None:
    @job(
        "nightly",
        name="Every night",
        type="manual",
        entry_point="stats.nightly",
        timeout="30s",
        retries=3,
        retry_delay="2s",
        max_retry_delay=timedelta(minutes=1),
        retry_strategy="fixed",
        retry_jitter="full",
        priority=5,
        max_concurrent_runs=2,
        concurrency_key="team",
        concurrency_limit=3,
        rate_limit=5,
        rate_period="1m",
        rate_key="day",
        fairness_key="day",
        unique=["team"],
        unique_until="start",
        on_conflict="replace",
        start_deadline="1h30m",
        isolation="shared",
        cpus=0.5,
        memory_mb=256,
        gpus=0,
        worker_labels={"gpu": "a100"},
        retention={"succeeded": "90d", "failed": "500ms"},
        metadata={"owner": "statistics"},
    )
    def statistics(*, team: str) -> None:
        pass

    definition = statistics.definition
    schema = definition.pop("parametersSchema")
    assert list(schema["properties"]) == ["team"]
    assert definition == {
        "slug": "nightly",
        "name": "Every night",
        "type": "manual",
        "entryPoint": "stats.nightly",
        "timeoutMs": 30_000,
        "retryPolicy": {
            "maxAttempts": 4,
            "strategy": "fixed",
            "initialDelayMs": 2_000,
            "maxDelayMs": 60_000,
            "jitter": "full",
        },
        "priority": 5,
        "maxConcurrentRuns": 2,
        "concurrencyKey": "team",
        "concurrencyLimit": 3,
        "rateLimit": {"limit": 5, "periodMs": 60_000, "key": "day"},
        "fairnessKey": "day",
        "unique": {"key": ["team"], "until": "start", "onConflict": "replace"},
        "startDeadlineMs": 5_400_000,
        "resources": {"cpus": 0.5, "memoryMb": 256, "gpus": 0},
        "workerLabels": {"gpu": "a100"},
        "retention": {"succeededMs": 7_776_000_000, "failedMs": 500},
        "isolation": "shared",
        "metadata": {"owner": "statistics"},
    }


def test_the_service_takes_such_definitions() -> None:
    for definition in (mirror_repository.definition, greet.definition):
        assert JobBody.model_validate(definition).spec().issues() == []


@job()
def greet(name: str = Field("you", max_length=9), _code: int = 1, **others: object) -> JobResult:
    return JobResult()


def test_a_field_may_stand_in_the_defaults_place() -> None:
    definition = greet.definition
    assert definition["parametersSchema"]["properties"]["name"]["maxLength"] == 9
    assert definition["parametersSchema"]["additionalProperties"] is True
    assert definition["defaultParameters"] == {"name": "you", "_code": 1}
    assert "outputSchema" not in definition


def test_a_job_of_nothing_has_a_schema_that_takes_nothing() -> None:
    @job
    async def tick(context: JobRunContext) -> None:
        pass

    assert tick.definition == {
        "slug": "tick",
        "name": "Tick",
        "entryPoint": "tick",
        "type": "batch",
        "parametersSchema": {"type": "object", "properties": {}, "additionalProperties": False},
    }


def unknown_type(when: "Sometime") -> None:  # type: ignore[name-defined]  # noqa: F821
    pass


def no_schema(stack: BaseException) -> None:
    pass


def by_position(first: int, /) -> None:
    pass


def rest(*numbers: int) -> None:
    pass


def odd_default(numbers: list[Any] = [object()]) -> None:  # noqa: B006, B008
    pass


def infinite(share: float = float("inf")) -> None:
    pass


def half_a_character(mark: str = "\ud800") -> None:
    pass


def called_back(then: Callable[[int], int]) -> None:
    pass


def no_json() -> Callable[[int], int]:
    return abs


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (infinite, {}, "defaultParameters cannot be JSON: Out of range float"),
        (half_a_character, {}, r"defaultParameters cannot be JSON: .*\\ud800"),
        (greet.function, {"metadata": {"a": {1}}}, "metadata cannot be JSON: .*set"),
        (greet.function, {"retries": 1, "retry_delay": float("inf")}, "retry_delay: inf"),
        (greet.function, {"timeout": float("nan")}, "timeout: nan is no duration"),
        (called_back, {}, "the parameters: .*JsonSchema"),
        (no_json, {}, "the return type: .*JsonSchema"),
        (unknown_type, {}, "an annotation .*'Sometime' is not defined; import it"),
        (no_schema, {}, "the parameters: .*BaseException"),
        (by_position, {}, "parameter first: .* by name"),
        (rest, {}, r"parameter \*numbers: "),
        (odd_default, {}, "an argument of odd-default cannot be JSON"),
        (greet.function, {"timeout": "soon"}, "timeout: 'soon' is no duration"),
        (greet.function, {"retries": -1}, "retries=-1: must be 0 or more"),
    ],
)
def test_what_is_no_job_is_told_with_its_place(
    function: Any, options: dict[str, Any], message: str
) -> None:
    made: Any = job(**options)(function)
    beginning = rf"^job '[a-z-]+' \({__file__}, line \d+\): "
    with pytest.raises(JobDefinitionError, match=beginning + message):
        _ = made.definition


def test_a_job_is_made_of_a_function() -> None:
    for make in (job, job("part")):
        with pytest.raises(JobDefinitionError, match="not of a value of type partial"):
            make(partial(by_position, 1))


@pytest.mark.parametrize(
    ("duration", "expected_ms"),
    [
        ("500ms", 500),
        ("1.5s", 1_500),
        ("1h30m", 5_400_000),
        ("1 d 2 h", 93_600_000),
        (2, 2_000),
        (0.25, 250),
        (timedelta(minutes=1), 60_000),
    ],
)
def test_durations_are_written_as_people_do(
    duration: str | float | timedelta, expected_ms: int
) -> None:
    assert milliseconds(duration) == expected_ms


@pytest.mark.parametrize("text", ["", "30", "s", "-1s", "1y", "1s and more"])
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no duration: write '500ms'"):
        milliseconds(text)
