"""Runs of jobs: what clients send and what they see."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.shapes.base import PageMeta, Shape, described, with_columns
from api.shapes.fields import (
    _YEAR_MS,
    Attempts,
    Cursor,
    JsonObject,
    Priority,
    Time,
    TimeoutMs,
    _Body,
)
from domain.filters.runs import FAILURES, MAX_SEARCH
from domain.filters.words import NOT
from domain.jobs.definition import RUNTIMES
from domain.jobs.launching import Launch
from domain.jobs.run_values import STATUSES
from projections import job_runs


@with_columns(job_runs.RunRow, job_runs.SHOWN)
class Run(Shape):
    """A run of a job."""

    quarantined: Literal[True] | None = Field(
        default=None,
        description="true where this version of the service cannot read the run's history: it shows"
        " the run as far as it is known, and leaves it alone; else left out",
    )


class AttemptEntry(Shape):
    """One execution of a run; an attempt that was handed back has several."""

    attempt: int
    execution: int
    worker_id: str
    started_at: AwareDatetime
    ended_at: AwareDatetime | None
    duration_ms: int | None
    outcome: Literal[
        "running",
        "succeeded",
        "failed",
        "timed_out",
        "lost",
        "handed_back",
        "canceled",
        "expired",
    ]
    error_message: str | None
    failure_reason: str | None
    retry_at: AwareDatetime | None = Field(
        description="when the next attempt is due; null where none follows"
    )
    logs_url: str


class JobBrief(Shape):
    """What a list of runs says of their job."""

    id: str
    slug: str
    name: str
    version: int
    type: str
    runtime: str


class RunWithJob(Shape):
    """A run and its job in brief."""

    run: Run
    job: JobBrief


class JobRunsMeta(PageMeta):
    """Where a page of a job's runs lies.

    Asked with a `cursor`, or shorter than its `limit` as its runs are large, also how to get the
    next one.
    """

    has_more: bool | None = None
    next_cursor: Cursor | None = None


@described(
    "Where a page of runs lies, and how to get the next one;"
    " `nextCursor` stays fast however far you go."
)
class RunPageMeta(PageMeta):
    """Where a page of runs lies."""

    has_more: bool
    next_offset: int | None
    next_cursor: Cursor | None


class RunCounts(BaseModel):
    """How many runs there are in each status."""

    model_config = ConfigDict(extra="forbid")

    pending: int
    running: int
    succeeded: int
    failed: int
    canceled: int
    expired: int


class CountsMeta(BaseModel):
    """The place in the log that counts are exact for; with `asOf` under both names."""

    model_config = ConfigDict(extra="forbid")

    position: int
    asOf: int | None = None  # noqa: N815 - the contract's name


class Warned(Shape):
    """What a launch succeeded in spite of."""

    code: Literal["no_worker_offers_entry_point", "no_worker_has_labels"]
    message: str


class LaunchMeta(Shape):
    """What whoever launched should know."""

    warnings: list[Warned] = Field(
        description="why the run may wait for somebody to do something"
    )


class LaunchedRun(Shape):
    """A launched run; `meta` is there where there is something to warn of."""

    data: Run
    meta: LaunchMeta | None = None


class LaunchBody(_Body):
    """A run to launch; what is left out is as the definition says."""

    parameters: JsonObject | None = None
    timeout_ms: TimeoutMs | None = None
    max_attempts: Attempts | None = None
    context: JsonObject | None = None
    scheduled_at: Time | None = None
    delay_ms: Annotated[int, Field(ge=0, le=10 * _YEAR_MS)] | None = None
    start_deadline_ms: Annotated[int, Field(ge=1, le=_YEAR_MS)] | None = None
    priority: Priority | None = None

    def launch(self, idempotency_key: str | None, sent: JsonObject) -> Launch:
        """Return the command."""
        if self.model_fields_set <= _PARAMETERS:  # Nearly all.
            return Launch(
                parameters=self.parameters or {},
                idempotency_key=idempotency_key,
                body=sent,
            )
        given = {
            name: getattr(self, name)
            for name in LaunchBody.model_fields
            if name != "parameters"
        }
        return Launch(
            parameters=self.parameters or {},
            idempotency_key=idempotency_key,
            body=sent,
            **given,
        )


_PARAMETERS = frozenset({"parameters"})


class CancelBody(_Body):
    """Why to cancel."""

    reason: Annotated[str, Field(max_length=1_000)] | None = None


def _words(known: Sequence[str]) -> JsonObject:
    one = "|".join(known)
    return {"type": "string", "pattern": rf"^[\s,]*({one})([\s,]+({one}))*[\s,]*$"}


_TEXT: JsonObject = {"type": "string"}
_TIME: JsonObject = {"type": "string", "format": "date-time"}
_SEVERAL = "one, or several with commas between them"

_FILTERS: dict[str, tuple[str, JsonObject]] = {
    "status": (f"the run's status: {_SEVERAL}", _words(STATUSES)),
    "job": (f"the job's slug: {_SEVERAL}", _TEXT),
    "runtime": (f"what the job is for: {_SEVERAL}", _words(RUNTIMES)),
    "moduleId": (f"the module that the job belongs to: {_SEVERAL}", _TEXT),
    "search": (
        "part of the job's slug or name, or the start of the run's id",
        {"type": "string", "maxLength": MAX_SEARCH},
    ),
    "actor": (f"who requested the run: {_SEVERAL}", _TEXT),
    "failure": (
        f"the `failureReason` that it ended with: {_SEVERAL}",
        _words(FAILURES),
    ),
    "failureGroup": (
        f"the fingerprint of the failure group that it ended in: {_SEVERAL}",
        _TEXT,
    ),
    "retried": (
        "whether another run was launched to repeat it",
        {"type": "string", "enum": ["true", "false"]},
    ),
    "createdAfter": ("created then or later", _TIME),
    "createdBefore": ("created before then", _TIME),
}


def _filters() -> Iterator[JsonObject]:
    for name, (told, schema) in _FILTERS.items():
        yield _filter(name, told, schema)
        yield _filter(f"{name}{NOT}", f"not so: {told}", schema)


def _filter(name: str, told: str, schema: JsonObject) -> JsonObject:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": told,
        "schema": schema,
    }


FILTERS = list(_filters())
"""The filters of runs as OpenAPI names a query's parameters. It cannot say `parameters.NAME`
or `label.NAME`."""
