"""The columns of the table `job_runs`."""

from typing import Annotated

from typing_extensions import ReadOnly

from domain.jobs.run_values import Status
from projections.rows import (
    AnyJson,
    BigInt,
    Document,
    Id,
    Integer,
    Text,
    Texts,
    Time,
    columns_of,
    shown_columns,
)
from projections.table import STATES, DecisiveRow


class RunRow(DecisiveRow):
    """A run, in the order in which clients see it.

    Of one that counts for its job's `rateLimit`, `rate_value` tells with which others, and `starts`
    when it was started, the last thousand times. Of one of a job whose runs are unique,
    `unique_value` tells by what, and `unique_until` until its `start` or its `end`. Of one whose
    job lets values take turns, `fair_value` tells its own, and `last_turn` the position of its last
    start.
    """

    id: ReadOnly[Id]
    job_definition_id: ReadOnly[Id]
    slug: ReadOnly[Text]
    definition_version: ReadOnly[Integer]
    entry_point: ReadOnly[Text]
    status: ReadOnly[Annotated[Status, "text"]]
    parameters: ReadOnly[Document]
    result: ReadOnly[AnyJson]
    error_message: ReadOnly[Text | None]
    failure_reason: ReadOnly[Text | None]
    logs_url: ReadOnly[Text | None]
    metrics: ReadOnly[Document | None]
    context: ReadOnly[Document | None]
    timeout_ms: ReadOnly[Integer | None]
    attempt: ReadOnly[Integer]
    max_attempts: ReadOnly[Integer]
    execution: ReadOnly[Integer]
    worker_id: ReadOnly[Text | None]
    duration_ms: ReadOnly[BigInt | None]
    priority: ReadOnly[Integer]
    concurrency_value: ReadOnly[Text | None]
    scheduled_at: ReadOnly[Time]
    start_deadline_at: ReadOnly[Time | None]
    started_at: ReadOnly[Time | None]
    completed_at: ReadOnly[Time | None]
    cancel_requested_at: ReadOnly[Time | None]
    created_at: ReadOnly[Time]
    updated_at: ReadOnly[Time]
    idempotency_key: ReadOnly[Text | None]
    requested_by: ReadOnly[Text]
    created_position: ReadOnly[BigInt]
    completed_position: ReadOnly[BigInt | None]
    personal: ReadOnly[Annotated[dict[str, list[str]], "jsonb"] | None]
    launch_context: ReadOnly[Document | None]
    retry_policy: ReadOnly[Document | None]
    request_digest: ReadOnly[Text | None]
    cancel_reason: ReadOnly[Text | None]
    rate_value: ReadOnly[Text | None]
    starts: ReadOnly[Texts | None]
    last_start_at: ReadOnly[Time | None]
    fair_value: ReadOnly[Text | None]
    last_turn: ReadOnly[BigInt | None]
    unique_value: ReadOnly[Text | None]
    unique_until: ReadOnly[Text | None]
    state2_version: ReadOnly[BigInt | None]


COLUMNS = columns_of(RunRow)

_HIDDEN = {
    "entry_point",
    "execution",
    "worker_id",
    "concurrency_value",
    "start_deadline_at",
    "created_position",
    "completed_position",
    "personal",
    "launch_context",
    "retry_policy",
    "request_digest",
    "cancel_reason",
    "rate_value",
    "starts",
    "last_start_at",
    "fair_value",
    "last_turn",
    "unique_value",
    "unique_until",
    "aggregate_version",
    "position",
    *STATES,
}

SHOWN = shown_columns(RunRow, _HIDDEN)

IS_PENDING = "status COLLATE \"C\" = 'pending'"
IS_RUNNING = "status COLLATE \"C\" = 'running'"
IS_UNFINISHED = "status COLLATE \"C\" IN ('pending', 'running')"
"""What workers ask: the same as without the collation, but only the indexes of pending and of
running runs, whose predicates say it too, serve it. Never those of lists and reports, in which each
run leaves an entry for each status that it had."""
