"""Runs of jobs: what clients send and what they see.

First explanations (why a run waits, or how it ended), then runs and their attempts, then bodies and
the parameters of filters.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from api.shapes.base import (
    _YEAR_MS,
    AnyObject,
    Attempts,
    Cursor,
    PageMeta,
    Priority,
    Shape,
    Time,
    TimeoutMs,
    _Body,
    described,
    with_columns,
)
from domain.filters import FAILURES, MAX_SEARCH, NOT
from domain.jobs.definition import RUNTIMES
from domain.jobs.launching import Launch
from domain.jobs.run_events import STATUSES, Status
from projections import job_runs

T = TypeVar("T")


class Reason(Shape):
    """One thing that keeps a run from starting, or that it ended by."""

    code: str = Field(
        description="of what waits: `quarantined`, `start_deadline`, `not_due`, `backing_off`,"
        " `no_worker`, `no_worker_offers_entry_point`, `no_worker_has_labels`,"
        " `no_worker_shares`, `slots_full`,"
        " `job_limit`, `key_limit`,"
        " `behind_others`, `cancel_requested`; of what has ended: its `failureReason`, or"
        " `canceled`",
        examples=["job_limit"],
    )
    message: str = Field(description="for people, with what to do where there is anything to do")
    binding: bool = Field(
        description="whether the run cannot start as long as this is so; false for what is so now,"
        " while the run is not due yet"
    )
    since: AwareDatetime | None = Field(
        description="when it began to be so; null where that is not known"
    )
    details: dict[str, JsonValue] = Field(
        description="the evidence, by code: who is in the way, the place in the queue, exit codes",
        examples=[{"limit": 1, "running": 1, "runs": ["0199f0c2-…"]}],
    )


class Explanation(Shape):
    """Why a run stands where it stands."""

    status: Status
    summary: str = Field(description="all of it in a sentence, for people")
    reasons: list[Reason] = Field(
        description="in the order in which a claim asks for them; none where nothing keeps the run,"
        " while it runs, and where it has succeeded"
    )
    next_change_at: AwareDatetime | None = Field(
        description="the next moment that is known beforehand at which this changes: when the run"
        " is due, must have started, or reaches its time limit; null where there is none"
    )
    unknown: list[str] = Field(
        description="what is not known of that moment, for people; empty for the present"
    )


class ExplainedMeta(Shape):
    """The position that is shown."""

    as_of: int


class Explained(Shape):
    """An explanation; asked with `asOf`, `meta` tells of which position."""

    data: Explanation
    meta: ExplainedMeta | None = None


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
        "running", "succeeded", "failed", "timed_out", "lost", "handed_back", "canceled", "expired"
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

    warnings: list[Warned] = Field(description="why the run may wait for somebody to do something")


class LaunchedRun(Shape):
    """A launched run; `meta` is there where there is something to warn of."""

    data: Run
    meta: LaunchMeta | None = None


class Launching(Shape, Generic[T]):
    """What runs were launched for; `meta` is there where there is something to warn of."""

    data: T
    meta: LaunchMeta | None = None


class LaunchBody(_Body):
    """A run to launch; what is left out is as the definition says."""

    parameters: AnyObject | None = None
    timeout_ms: TimeoutMs | None = None
    max_attempts: Attempts | None = None
    context: AnyObject | None = None
    scheduled_at: Time | None = None
    delay_ms: Annotated[int, Field(ge=0, le=10 * _YEAR_MS)] | None = None
    start_deadline_ms: Annotated[int, Field(ge=1, le=_YEAR_MS)] | None = None
    priority: Priority | None = None

    def launch(self, idempotency_key: str | None, sent: AnyObject) -> Launch:
        """Return the command."""
        if self.model_fields_set <= _PARAMETERS:  # Nearly all.
            return Launch(
                parameters=self.parameters or {}, idempotency_key=idempotency_key, body=sent
            )
        given = {
            name: getattr(self, name) for name in LaunchBody.model_fields if name != "parameters"
        }
        return Launch(
            parameters=self.parameters or {}, idempotency_key=idempotency_key, body=sent, **given
        )


_PARAMETERS = frozenset({"parameters"})


class CancelBody(_Body):
    """Why to cancel."""

    reason: Annotated[str, Field(max_length=1_000)] | None = None


def _words(known: Sequence[str]) -> AnyObject:
    one = "|".join(known)
    return {"type": "string", "pattern": rf"^[\s,]*({one})([\s,]+({one}))*[\s,]*$"}


_TEXT: AnyObject = {"type": "string"}
_TIME: AnyObject = {"type": "string", "format": "date-time"}
_SEVERAL = "one, or several with commas between them"

_FILTERS: dict[str, tuple[str, AnyObject]] = {
    "status": (f"the run's status: {_SEVERAL}", _words(STATUSES)),
    "job": (f"the job's slug: {_SEVERAL}", _TEXT),
    "runtime": (f"what the job is for: {_SEVERAL}", _words(RUNTIMES)),
    "moduleId": (f"the module that the job belongs to: {_SEVERAL}", _TEXT),
    "search": (
        "part of the job's slug or name, or the start of the run's id",
        {"type": "string", "maxLength": MAX_SEARCH},
    ),
    "actor": (f"who requested the run: {_SEVERAL}", _TEXT),
    "failure": (f"the `failureReason` that it ended with: {_SEVERAL}", _words(FAILURES)),
    "failureGroup": (f"the fingerprint of the failure group that it ended in: {_SEVERAL}", _TEXT),
    "retried": (
        "whether another run was launched to repeat it",
        {"type": "string", "enum": ["true", "false"]},
    ),
    "createdAfter": ("created then or later", _TIME),
    "createdBefore": ("created before then", _TIME),
}


def _filters() -> Iterator[AnyObject]:
    for name, (told, schema) in _FILTERS.items():
        yield _filter(name, told, schema)
        yield _filter(f"{name}{NOT}", f"not so: {told}", schema)


def _filter(name: str, told: str, schema: AnyObject) -> AnyObject:
    return {"name": name, "in": "query", "required": False, "description": told, "schema": schema}


FILTERS = list(_filters())
"""The filters of runs as OpenAPI names a query's parameters. It cannot say `parameters.NAME`
or `label.NAME`."""
