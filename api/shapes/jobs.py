"""Job definitions: what clients send and what they see."""

from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    field_validator,
    with_config,
)
from typing_extensions import TypedDict

from api.shapes.base import (
    MAX_INT,
    YEAR_MS,
    AnyObject,
    Attempts,
    DelayMs,
    Name,
    Priority,
    ReasonText,
    RequestBody,
    Shape,
    Slug,
    TimeoutMs,
    default_of,
    has_at_most,
    never_null,
    with_columns,
)
from api.shapes.runs import Run
from domain.jobs.definition import JobSpec
from domain.jobs.policies import MAX_PARAMETERS, MAX_PERIOD_MS, MAX_RETENTION_MS, OnConflict, Until
from domain.jobs.run_events import MAX_STARTS
from domain.workers import MAX_LABELS, NAME, VALUE, Isolation
from projections import job_definitions

Runtime = Literal["python", "node", "docker", "module"]


class RuntimeDetails(Shape):
    """The workers of a runtime."""

    workers: int


class Pause(Shape):
    """Since when and why no run of a job starts."""

    at: AwareDatetime
    by: str
    reason: str | None


@with_columns(job_definitions.JobDefinitionRow, job_definitions.SHOWN)
class Definition(Shape):
    """A job definition in its newest version."""

    paused: Pause | None
    unique_runs: dict[str, JsonValue] | None = Field(alias="unique")


class RuntimeStatus(Shape):
    """Whether jobs for a runtime can be executed at present."""

    runtime: Runtime
    ready: bool
    reason: str | None = Field(description="why not; null if it is ready")
    checked_at: AwareDatetime
    details: RuntimeDetails


class JobWithRuns(Shape):
    """A job and a page of its runs."""

    job: Definition
    runs: list[Run]


class Waits(Shape):
    """How long executions waited from the moment at which they were due."""

    starts: int = Field(description="how many there were; without any, the others are 0")
    median_ms: int = Field(description="half of them waited no longer, in milliseconds")
    p95_ms: int = Field(description="95 in 100 waited no longer, in milliseconds")
    worst_ms: int = Field(description="the longest wait, in milliseconds")
    mean_ms: int = Field(description="the average wait, in milliseconds")


class LimitSince(Shape):
    """A limit that held from a time on."""

    since: AwareDatetime = Field(description="from when on it held")
    max_concurrent_runs: int | None = Field(description="null for no limit")


class WhatIf(Shape):
    """A job's recorded past, played again under another limit."""

    job: str = Field(description="as it was named in the request")
    since: AwareDatetime = Field(description="when the range begins")
    until: AwareDatetime = Field(description="when it ends: at the request")
    max_concurrent_runs: int | None = Field(description="the supposed limit; null for none")
    runs: int = Field(description="that became due in this time and have started")
    limits: list[LimitSince] = Field(description="which really held")
    most_at_a_time: int = Field(description="runs that really were under way at a time, at most")
    recorded: Waits = Field(description="as they really were")
    simulated: Waits = Field(description="the same, simulated with nothing changed")
    deviation: float | None = Field(
        description="by how much single waits of `simulated` differ from `recorded`, as a part of"
        " all waits; null where nothing waited"
    )
    supposed: Waits = Field(description="the same, simulated with the supposed limit")
    given_up: int = Field(description="starts that would not have come in time then")


class RetryPolicyBody(RequestBody):
    """When failed attempts are tried again."""

    max_attempts: Attempts | None = None
    strategy: Literal["none", "fixed", "exponential"] | None = None
    initial_delay_ms: DelayMs | None = None
    max_delay_ms: DelayMs | None = None
    jitter: Literal["none", "full", "equal"] | None = None


class ResourcesBody(RequestBody):
    """What an attempt may use."""

    cpus: Annotated[float, Field(gt=0, le=1_024)] | None = None
    memory_mb: Annotated[int, Field(ge=1, le=MAX_INT)] | None = None
    gpus: Annotated[int, Field(ge=0, le=1_024)] | None = None


class RateLimitBody(RequestBody):
    """How many runs may start within a period."""

    limit: Annotated[int, Field(ge=1, le=MAX_STARTS)]
    period_ms: Annotated[int, Field(ge=1, le=MAX_PERIOD_MS)]
    key: Name | None = None


KeptMs = Annotated[int, Field(ge=0, le=MAX_RETENTION_MS)]


class RetentionBody(RequestBody):
    """How long after their end runs are archived, by outcome."""

    succeeded_ms: KeptMs | None = None
    failed_ms: KeptMs | None = None
    canceled_ms: KeptMs | None = None
    expired_ms: KeptMs | None = None


class UniqueBody(RequestBody):
    """Which runs count as duplicates, of which one is kept."""

    key: Annotated[list[Name], Field(min_length=1, max_length=MAX_PARAMETERS)]
    until: Until
    on_conflict: OnConflict


@with_config(ConfigDict(extra="allow", strict=True))
class ModuleBindingBody(TypedDict):
    """The platform's module that a job belongs to; further fields are kept as sent."""

    moduleId: Name


LabelName = Annotated[str, Field(pattern=NAME, max_length=100)]
LabelValue = Annotated[str, Field(pattern=VALUE, max_length=200)]


class _DefinitionFields(RequestBody):
    parameters_schema: AnyObject | None = None
    default_parameters: AnyObject | None = None
    timeout_ms: TimeoutMs | None = None
    retry_policy: RetryPolicyBody | None = None
    metadata: Any = None
    module_binding: ModuleBindingBody | None = None
    owner: Slug | None = None
    runtime: Runtime | None = None
    output_schema: AnyObject | None = None
    priority: Priority | None = None
    max_concurrent_runs: Annotated[int, Field(ge=1, le=MAX_INT)] | None = None
    concurrency_key: Name | None = None
    concurrency_limit: Annotated[int, Field(ge=1, le=MAX_INT)] | None = None
    rate_limit: RateLimitBody | None = None
    fairness_key: Name | None = None
    unique_runs: UniqueBody | None = Field(None, alias="unique")
    start_deadline_ms: Annotated[int, Field(ge=1, le=YEAR_MS)] | None = None
    resources: ResourcesBody | None = None
    worker_labels: (
        Annotated[
            dict[LabelName, LabelValue], Field(max_length=MAX_LABELS), has_at_most(MAX_LABELS)
        ]
        | None
    ) = None
    retention: RetentionBody | None = None
    isolation: Isolation | None = None

    def changes(self) -> dict[str, Any]:
        """Return the fields that were sent, by `JobSpec`'s names; null becomes the default."""
        changes: dict[str, Any] = {}
        for name in self.model_fields_set - {"slug", "version"}:
            value = getattr(self, name)
            if value is None:
                value = default_of(JobSpec, name)
            elif isinstance(value, BaseModel):
                value = value.model_dump(by_alias=True, exclude_none=True)
            changes[name] = value
        return changes


Version = Annotated[int, Field(ge=1, le=MAX_INT)]


EntryPoint = Annotated[str, Field(min_length=1, max_length=256)]


JobType = Literal["batch", "service-triggered", "manual"]


class JobBody(_DefinitionFields):
    """A job to register."""

    slug: Slug
    name: Name
    version: Version | None = None
    type: JobType
    entry_point: EntryPoint

    @field_validator("slug")
    @classmethod
    def _refuse_taken_address(cls, value: str) -> str:
        if value.lower() == "runtimes":
            msg = "must be another one: GET /jobs/runtimes shows the runtimes"
            raise ValueError(msg)
        return value

    def spec(self) -> JobSpec:
        """Return the definition's content."""
        return JobSpec(**self.changes())


class JobPatch(_DefinitionFields):
    """Fields of a job to change; each replaces the old one."""

    name: Name | None = Field(None, json_schema_extra=never_null)
    version: Version | None = None
    type: JobType | None = Field(None, json_schema_extra=never_null)
    entry_point: EntryPoint | None = Field(None, json_schema_extra=never_null)

    @field_validator("name", "type", "entry_point", mode="before")
    @classmethod
    def _refuse_null(cls, value: object) -> object:
        if value is None:
            msg = "cannot be null: every job needs one"
            raise ValueError(msg)
        return value


class PauseBody(RequestBody):
    """Why to pause."""

    reason: ReasonText | None = None
