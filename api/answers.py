"""Answers: how they are written, and their shapes as OpenAPI shows them."""

from typing import Any, Generic, Literal, TypeVar

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel
from starlette.responses import Response

from domain.json_values import Json

T = TypeVar("T")
M = TypeVar("M")


_CONTENT_TYPE = (b"content-type", b"application/json")


class JsonAnswer(Response):
    """A body of plain JSON, written once and by the codec of the log."""

    media_type = "application/json"

    def __init__(self, content: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        if headers:
            super().__init__(orjson.dumps(content), status, headers)
            return
        self.status_code = status  # What the framework's own constructor comes to, at a fraction of its cost.
        self.background = None
        self.body = body = orjson.dumps(content)
        self.raw_headers = [(b"content-length", b"%d" % len(body)), _CONTENT_TYPE]


def data(value: Json, status: int = 200) -> JsonAnswer:
    """Return a success."""
    return JsonAnswer({"data": value}, status)


class Shape(BaseModel):
    """A shape in an answer: camelCase, and nothing beside what is named."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")


class Data(Shape, Generic[T]):
    """A success."""

    data: T


class Page(Shape, Generic[T, M]):
    """A success with a list."""

    data: T
    meta: M


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
    code: Literal["validation_failed"]
    issues: list[FieldProblem]


class Health(Shape):
    """The service answers."""

    status: Literal["ok"]


class Definition(Shape):
    """A job definition, as its newest version says."""

    id: str
    slug: str
    name: str
    version: int
    type: str
    runtime: str
    entry_point: str
    parameters_schema: dict[str, JsonValue]
    default_parameters: dict[str, JsonValue]
    output_schema: dict[str, JsonValue] | None
    timeout_ms: int | None
    retry_policy: dict[str, JsonValue] | None
    metadata: JsonValue
    priority: int
    max_concurrent_runs: int | None
    concurrency_key: str | None
    start_deadline_ms: int | None
    resources: dict[str, JsonValue] | None
    created_at: AwareDatetime
    updated_at: AwareDatetime


class Run(Shape):
    """A run of a job."""

    id: str
    job_definition_id: str
    slug: str
    definition_version: int
    status: Literal["pending", "running", "succeeded", "failed", "canceled", "expired"]
    parameters: dict[str, JsonValue]
    result: JsonValue
    error_message: str | None
    failure_reason: str | None
    logs_url: str | None
    metrics: dict[str, JsonValue] | None
    context: dict[str, JsonValue] | None
    timeout_ms: int | None
    attempt: int
    max_attempts: int
    duration_ms: int | None
    priority: int
    scheduled_at: AwareDatetime
    started_at: AwareDatetime | None
    completed_at: AwareDatetime | None
    cancel_requested_at: AwareDatetime | None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    idempotency_key: str | None
    requested_by: str


class AttemptEntry(Shape):
    """One execution of a run; an attempt that was handed back has several."""

    attempt: int
    execution: int
    worker_id: str
    started_at: AwareDatetime
    ended_at: AwareDatetime | None
    duration_ms: int | None
    outcome: Literal["running", "succeeded", "failed", "timed_out", "lost", "handed_back", "canceled", "expired"]
    error_message: str | None
    failure_reason: str | None
    retry_at: AwareDatetime | None = Field(description="when the next attempt is due; null where none follows")
    logs_url: str


class JobWithRuns(Shape):
    """A job and a page of its runs."""

    job: Definition
    runs: list[Run]


class JobBrief(Shape):
    """What a list of runs says of their job."""

    id: str
    slug: str
    name: str
    version: int
    type: str


class RunWithJob(Shape):
    """A run and its job in brief."""

    run: Run
    job: JobBrief


class PageMeta(Shape):
    """Where a page lies; with `asOf` also the position it shows: ask for further pages as of that."""

    limit: int
    offset: int
    as_of: int | None = None


class JobRunsMeta(PageMeta):
    """Where a page of a job's runs lies; asked with a `cursor`, also how to get the next one."""

    has_more: bool | None = None
    next_cursor: str | None = None


class RunPageMeta(PageMeta):
    """Where a page of runs lies, and how to get the next one; `nextCursor` stays fast however far you go."""

    has_more: bool
    next_offset: int | None
    next_cursor: str | None


class Subject(Shape):
    """Whose event it is."""

    type: str
    id: str


class Event(Shape):
    """An event of the log."""

    position: int
    event_id: str
    type: str
    subject: Subject
    version: int
    occurred_at: AwareDatetime
    recorded_at: AwareDatetime | None
    actor: str | None
    correlation_id: str | None
    causation_id: str | None
    data: dict[str, JsonValue]


class ErasedSubject(Shape):
    """A subject whose personal data cannot be read any more: what a client still holds of them should go, too."""

    key_id: str = Field(description="of the key that is destroyed; events name it where its data were")
    reason: str | None
    runs: int = Field(description="how many runs held its data")
    erased_at: AwareDatetime


class Erasure(ErasedSubject):
    """What an erasure did, and where in the log it stands."""

    position: int


class EventPageMeta(Shape):
    """Where the next page of events begins; null at the log's end."""

    next: int | None


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI's `responses` for these statuses; what may befall any call is always among them."""
    shapes: dict[int | str, dict[str, Any]] = {
        status: {"model": ValidationFailure if status == 400 else Failure}  # noqa: PLR2004
        for status in (*statuses, 401, 403, 503)
    }
    return shapes
