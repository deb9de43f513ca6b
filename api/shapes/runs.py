"""Runs of jobs: what clients send and what they see.

First explanations (why a run waits, or how it ended), then runs and their attempts, then bodies and
the parameters of filters.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from api.shapes.base import (
    YEAR_MS,
    AnyObject,
    Attempts,
    Cursor,
    PageMeta,
    Priority,
    ReasonText,
    RequestBody,
    Shape,
    Time,
    TimeoutMs,
    with_columns,
    with_description,
)
from domain.filters import FAILURES, MAX_DURATION_DIGITS, MAX_SEARCH, NOT
from domain.jobs.definition import RUNTIMES
from domain.jobs.launching import Launch, Overrides
from domain.jobs.run_events import STATUSES, Status
from projections import job_runs

T = TypeVar("T")


class Reason(Shape):
    """One reason why a run does not start, or why it ended."""

    code: str = Field(
        description="of a waiting run: `quarantined`, `start_deadline`, `not_due`, `backing_off`,"
        " `no_worker`, `no_worker_offers_entry_point`, `no_worker_has_labels`,"
        " `no_worker_shares`, `slots_full`, `job_paused`, `job_limit`, `key_limit`, `rate_limited`,"
        " `behind_others`, `cancel_requested`; of an ended run: its `failureReason`, or"
        " `canceled`",
        examples=["job_limit"],
    )
    message: str = Field(description="for people, with what to do, if anything")
    binding: bool = Field(
        description="whether the run cannot start while the reason holds; false for a reason that"
        " holds now, while the run is not due yet"
    )
    since: AwareDatetime | None = Field(
        description="since when the reason holds; null if that is not recorded"
    )
    details: dict[str, JsonValue] = Field(
        description="the evidence, by code: runs ahead, the position in the queue, exit codes",
        examples=[{"limit": 1, "running": 1, "runs": ["0199f0c2-…"]}],
    )


class Explanation(Shape):
    """Why a run has its status."""

    status: Status
    summary: str = Field(description="a sentence for people")
    reasons: list[Reason] = Field(
        description="in the order in which a claim checks them; empty if nothing blocks the run,"
        " while it runs, and if it has succeeded"
    )
    next_change_at: AwareDatetime | None = Field(
        description="the next scheduled change: when the run is due, must have started, or reaches"
        " its time limit; null if there is none"
    )
    unknown: list[str] = Field(
        description="with `asOf`: what is not recorded of that moment, for people; else empty"
    )


class ExplainedMeta(Shape):
    """The log position that is shown."""

    as_of: int


class Explained(Shape):
    """An explanation; with `asOf`, `meta` has the log position."""

    data: Explanation
    meta: ExplainedMeta | None = None


@with_columns(job_runs.RunRow, job_runs.SHOWN)
class Run(Shape):
    """A run of a job."""

    quarantined: Literal[True] | None = Field(
        default=None,
        description="true if this version of the service cannot read the run's history: it shows"
        " the run as far as it can, and does not execute it; else left out",
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
        "running", "succeeded", "failed", "timed_out", "lost", "handed_back", "canceled", "expired"
    ]
    error_message: str | None
    failure_reason: str | None
    retry_at: AwareDatetime | None = Field(
        description="when the next attempt is due; null if none follows"
    )
    logs_url: str


class JobBrief(Shape):
    """A job in brief, in lists of runs."""

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
    """The page's range.

    With a `cursor` in the request, or if the page is shorter than its `limit` because its runs are
    large, it also has the next page's cursor.
    """

    has_more: bool | None = None
    next_cursor: Cursor | None = None


@with_description(
    "The page's range, and how to get the next page; `nextCursor` is equally fast for every page."
)
class RunPageMeta(PageMeta):
    """The page's range, and how to get the next page."""

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
    """The log position that the counts are exact for; with `asOf` under both names."""

    model_config = ConfigDict(extra="forbid")

    position: int
    asOf: int | None = None  # noqa: N815 - the contract's name


class Warned(Shape):
    """A warning about a launch that succeeded."""

    code: Literal["no_worker_offers_entry_point", "no_worker_has_labels"]
    message: str


class LaunchMeta(Shape):
    """Warnings for the launcher."""

    warnings: list[Warned] = Field(description="why the run may wait until an operator acts")


class LaunchedRun(Shape):
    """A launched run; it has `meta` if there are warnings."""

    data: Run
    meta: LaunchMeta | None = None


class Launching(Shape, Generic[T]):
    """What runs were launched for; `meta` is there where there is something to warn of."""

    data: T
    meta: LaunchMeta | None = None


class LaunchBody(RequestBody):
    """A run to launch; fields that are left out have the definition's values."""

    parameters: AnyObject | None = None
    timeout_ms: TimeoutMs | None = None
    max_attempts: Attempts | None = None
    context: AnyObject | None = None
    scheduled_at: Time | None = None
    delay_ms: Annotated[int, Field(ge=0, le=10 * YEAR_MS)] | None = None
    start_deadline_ms: Annotated[int, Field(ge=1, le=YEAR_MS)] | None = None
    priority: Priority | None = None

    def launch(self, idempotency_key: str | None, body: AnyObject) -> Launch:
        """Return the command.

        Args:
            idempotency_key: the request's, if any.
            body: the body as the client sent it, by which repeated requests are compared.
        """
        if self.model_fields_set <= _PARAMETERS:  # Nearly all launches.
            return Launch(
                parameters=self.parameters or {}, idempotency_key=idempotency_key, body=body
            )
        options = {
            name: getattr(self, name) for name in LaunchBody.model_fields if name != "parameters"
        }
        return Launch(
            parameters=self.parameters or {}, idempotency_key=idempotency_key, body=body, **options
        )


_PARAMETERS = frozenset({"parameters"})


class RetryBody(LaunchBody):
    """What the new run has otherwise than the old one.

    Fields that are left out are as the old run had them, except that it starts at once; null means
    as the definition says. `parameters` are all of them, and `context` the whole of it.
    """

    def overrides(self) -> Overrides:
        """Return what is new; a repeated request must say the same."""
        sent = self.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return Overrides(self.launch(None, sent), self.model_fields_set)


class CancelBody(RequestBody):
    """Why to cancel."""

    reason: ReasonText | None = None


def _list_of(choices: Sequence[str]) -> AnyObject:
    choice = "|".join(choices)
    return {"type": "string", "pattern": rf"^[\s,]*({choice})([\s,]+({choice}))*[\s,]*$"}


_TEXT: AnyObject = {"type": "string"}
_TIME: AnyObject = {"type": "string", "format": "date-time"}
_DURATION: AnyObject = {"type": "string", "pattern": rf"^[0-9]{{1,{MAX_DURATION_DIGITS}}}$"}
_SEVERAL = "one, or several with commas between them"

_FILTERS: dict[str, tuple[str, AnyObject]] = {
    "status": (f"the run's status: {_SEVERAL}", _list_of(STATUSES)),
    "job": (f"the job's slug: {_SEVERAL}", _TEXT),
    "runtime": (f"the job's runtime: {_SEVERAL}", _list_of(RUNTIMES)),
    "moduleId": (f"the module that the job belongs to: {_SEVERAL}", _TEXT),
    "search": (
        "part of the job's slug or name, or the start of the run's id",
        {"type": "string", "maxLength": MAX_SEARCH},
    ),
    "actor": (f"who requested the run: {_SEVERAL}", _TEXT),
    "failure": (f"the run's `failureReason`: {_SEVERAL}", _list_of(FAILURES)),
    "failureGroup": (f"the fingerprint of the run's failure group: {_SEVERAL}", _TEXT),
    "worker": (
        f"the id of a worker that started the run, also if others did so later: {_SEVERAL}",
        _TEXT,
    ),
    "retried": (
        "whether another run was launched to repeat it",
        {"type": "string", "enum": ["true", "false"]},
    ),
    "createdAfter": ("created then or later", _TIME),
    "createdBefore": ("created before then", _TIME),
    "endedAfter": ("ended then or later", _TIME),
    "endedBefore": ("ended before then", _TIME),
    "minDurationMs": ("ended, with a `durationMs` of this or more", _DURATION),
    "maxDurationMs": ("ended, with a `durationMs` of this or less", _DURATION),
    "error": (
        "ended, with this part in its `errorMessage`, whatever the case",
        {"type": "string", "maxLength": MAX_SEARCH},
    ),
}


def _filter_parameters() -> Iterator[AnyObject]:
    for name, (description, schema) in _FILTERS.items():
        yield _query_parameter(name, description, schema)
        yield _query_parameter(f"{name}{NOT}", f"the negation of `{name}`", schema)


def _query_parameter(name: str, description: str, schema: AnyObject) -> AnyObject:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
    }


FILTERS = list(_filter_parameters())
"""The filters of runs as OpenAPI's query parameters, without `parameters.NAME` and `label.NAME`,
which OpenAPI cannot express."""
