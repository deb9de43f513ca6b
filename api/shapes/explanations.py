"""Explanations: why a run waits, or how it ended."""

from pydantic import AwareDatetime, Field, JsonValue

from api.shapes.base import Shape
from domain.jobs.run_values import Status


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
    message: str = Field(
        description="for people, with what to do where there is anything to do"
    )
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
