"""Conditions on failures of runs, and what a search for failures reads of runs.

First the conditions, which are the same now and at a past position, `%(ended_by)s`; then the facts
of failed runs and of their retries (`facts_of`, `retry_tree_of`).
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain.failures.grouping import RetryNode
from domain.filters import Conditions
from domain.identifiers import failure_group_id
from domain.state import Id, Integer, Text
from projections.rows import Connection, read_rows, read_texts, read_value

_FAILURE = "(completed_position <= %(ended_by)s AND failure_reason = ANY(%({values})s))"
"""Whether a run had ended with such a failure by the position; one that is retried has not
failed."""


ENDS: tuple[str, ...] = ("failed", "expired")
"""The statuses of runs that ended with a failure."""

LARGE = 2_000
"""Failures above which a group is large: reading the newest runs soon finds some of its runs,
whereas looking up each of its failures takes long."""

_POSITIONS = """
    SELECT unnest((
        SELECT array_agg(position) FROM (
            SELECT json_array_elements_text(
                convert_from(state, 'LATIN1')::json->'positions')::bigint AS position
            FROM jobs_events
            WHERE originator_id = ANY(%({values})s::uuid[]) AND notification_id <= %(ended_by)s
                AND topic IN ('failure_group.opened', 'failure_group.recurred')
        ) AS recorded
    ))
"""
"""The positions of the failures that were recorded in some groups by the position.

As Latin-1, any bytes are a valid text, whatever the database's encoding; only numbers are used. An
array, as PostgreSQL expects few elements of it: so these are looked up one by one, or, if a join is
excluded (`IS TRUE`), put in a hash table, however many they are.
"""

_IN_GROUPS = f"""(
    status IN ('failed', 'expired') AND completed_position IN ({_POSITIONS})
)"""
"""Whether the failure that ended a run is one of these, if they are few: served by an index."""

_IN_LARGE_GROUPS = f"(completed_position IN ({_POSITIONS})) IS TRUE"

_RECENTLY_IN_LARGE_GROUPS = """(
    created_position > %(recent_after)s AND (completed_position IN (
        SELECT unnest((
            SELECT array_agg(position) FROM (
                SELECT json_array_elements_text(
                    convert_from(event.state, 'LATIN1')::json->'positions')::bigint AS position
                FROM unnest(%(groups)s::uuid[], %(recent_versions)s::bigint[])
                    AS recorded (id, version)
                CROSS JOIN LATERAL (
                    SELECT state FROM jobs_events
                    WHERE originator_id = recorded.id AND originator_version >= recorded.version
                        AND topic IN ('failure_group.opened', 'failure_group.recurred')
                    OFFSET 0
                ) AS event
            ) AS recorded
        ))
    )) IS TRUE
)"""
"""The same for the newest runs, whose failures were all recorded in the newest events."""

_NOT_IN_GROUPS = f"(completed_position IN ({_POSITIONS})) IS NOT TRUE"


def is_own_retry(run: str) -> str:
    """Return SQL for whether the service launched a run to repeat the run that its context names.

    Clients can put any run into a context, but not choose the cause: a client's launch is caused by
    a request, whose id is random; a launch by the service is caused by an event, whose id is a
    UUIDv5. Archived runs whose cause was not kept by an older version count as own retries.
    """
    is_event = "substr({cause}::text, 15, 1) = '5'"
    in_log = is_event.format(cause="first.causation_id")
    in_archive = is_event.format(cause="archived.first_causation_id")
    return f"""coalesce(
        (SELECT coalesce({in_log}, false) FROM jobs_events AS first
            WHERE first.originator_id = {run}.id AND first.originator_version = 1),
        (SELECT coalesce({in_archive}, true) FROM archived_runs AS archived
            WHERE archived.id = {run}.id),
        false
    )"""


_RETRIED = f"""EXISTS (
    SELECT 1 FROM (SELECT id::text AS id, job_definition_id AS job OFFSET 0) AS this
    JOIN job_runs AS again ON again.launch_context->>'retryOf' = this.id
    WHERE again.launch_context->>'retryOf' IS NOT NULL
        AND again.created_position <= %(ended_by)s
        AND again.job_definition_id = this.job AND {is_own_retry("again")}
)"""
"""Whether another run had been launched to repeat a run by the position.

OFFSET 0, so that each run's retries are looked up in the index, instead of hashing all retries.
"""


_REPEATED = f"""
    SELECT DISTINCT run.launch_context->>'retryOf' FROM job_runs AS run
    WHERE run.launch_context->>'retryOf' IS NOT NULL
        AND run.launch_context->>'retryOf' = ANY(%(ids)s::text[])
        AND {is_own_retry("run")}
"""


async def repeated_among(connection: Connection, run_ids: Collection[UUID]) -> set[UUID]:
    """Return those of the runs that have been repeated by another run until now."""
    by_text = {str(run_id): run_id for run_id in run_ids}
    texts = await read_texts(connection, _REPEATED, {"ids": list(by_text)})
    return {by_text[text] for text in texts}


def narrowed(filters: Conditions) -> Conditions:
    """Return the conditions without the statuses that no run of a failure group has."""
    if filters.failure_groups.included:
        return filters.only(ENDS)
    return filters


_SIZES = """
    SELECT coalesce(sum(count + recovered), 0)::bigint FROM failure_groups
    WHERE aggregate_id = ANY(%(groups)s::uuid[])
"""


async def are_large(connection: Connection, filters: Conditions) -> bool:
    """Return whether the included failure groups have many failures today."""
    groups = _ids_of(filters.failure_groups.included)
    if not groups:
        return False
    failures = await read_value(connection, int, _SIZES, {"groups": groups})
    return failures > LARGE


@dataclass(frozen=True)
class RecentFailures:
    """The newest events of large groups, and the runs whose failures these record.

    A failure is recorded after it happened, and so after its run was created.

    Attributes:
        after: all failures of runs created after this position are in these events.
        versions: of each group, the version of the first of these events.
    """

    after: int
    versions: Sequence[int]


_NEWEST = """
    SELECT coalesce(newest.notification_id, 0)::bigint AS position,
        coalesce(newest.originator_version, 0)::bigint AS version
    FROM unnest(%(groups)s::uuid[]) WITH ORDINALITY AS one (id, number) LEFT JOIN LATERAL (
        SELECT notification_id, originator_version FROM jobs_events
        WHERE originator_id = one.id AND notification_id < %(before)s
        ORDER BY originator_version DESC OFFSET %(events)s LIMIT 1
    ) AS newest ON true
    ORDER BY number
"""


class _Newest(TypedDict):
    position: ReadOnly[int]
    version: ReadOnly[int]


async def recent_failures(
    connection: Connection, filters: Conditions, before: int, events: int
) -> RecentFailures | None:
    """Return the newest events of the included groups; None if these are all their events.

    Args:
        connection: any.
        filters: all conditions.
        before: only runs created before this position are read.
        events: how many of each group, of those appended before that position.
    """
    groups = _ids_of(filters.failure_groups.included)
    values = {"groups": groups, "before": before, "events": events}
    newest = await read_rows(connection, _Newest, _NEWEST, values)
    after = max(one["position"] for one in newest)
    if not after:
        return None
    return RecentFailures(after, [one["version"] for one in newest])


def conditions(
    filters: Conditions, *, are_large: bool, recent: RecentFailures | None = None
) -> Iterator[str]:
    """Yield the SQL conditions on a run's failure, and on its retries.

    Args:
        filters: all conditions.
        are_large: whether the included groups have many failures.
        recent: the newest of these failures, if only the newest runs are read, as of now.
    """
    if filters.failures.included:
        yield _FAILURE.format(values="failures")
    if filters.failures.excluded:
        yield f"{_FAILURE.format(values='other_failures')} IS NOT TRUE"
    if filters.failure_groups.included:
        yield _in_groups(are_large=are_large, recent=recent)
    if filters.failure_groups.excluded:
        yield _NOT_IN_GROUPS.format(values="other_groups")
    if filters.is_retried is True:
        yield _RETRIED
    if filters.is_retried is False:
        yield f"NOT {_RETRIED}"


def _in_groups(*, are_large: bool, recent: RecentFailures | None) -> str:
    if recent is not None:
        return _RECENTLY_IN_LARGE_GROUPS
    condition = _IN_LARGE_GROUPS if are_large else _IN_GROUPS
    return condition.format(values="groups")


def values(filters: Conditions) -> dict[str, object]:
    """Return the parameters of `conditions`, without the position."""
    failures, groups = filters.failures, filters.failure_groups
    return {
        "failures": sorted(failures.included),
        "other_failures": sorted(failures.excluded),
        "groups": _ids_of(groups.included),
        "other_groups": _ids_of(groups.excluded),
    }


def _ids_of(fingerprints: Iterable[str]) -> list[UUID]:
    return [failure_group_id(one) for one in sorted(fingerprints)]


IS_RETRY = "launch_context->>'retryOf' IS NOT NULL"
"""The condition of the index `job_runs_retries`."""

RECOVERED = f"""
    (SELECT run.attempt > 1 OR (run.{IS_RETRY} AND {is_own_retry("run")})
        FROM job_runs AS run WHERE run.id = originator_id)
"""
"""Whether a run that succeeded may have recovered from failures; null if there is no such run.

Without EXISTS: for that, PostgreSQL may hash all runs at each search.
"""

_OWN_RETRY_OF = f"""
    CASE WHEN run.launch_context->>'retryOf' ~ '^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$'
        AND {is_own_retry("run")}
        THEN (run.launch_context->>'retryOf')::uuid END AS retry_of
"""

MAX_TREE_RUNS = 1_000
"""Runs of a retry tree that are read, at most."""

MAX_TREE_DEPTH = 100
"""Retries of retries that are followed, at most."""

RETRY_TREE = f"""
    WITH RECURSIVE up AS (
        SELECT run.id, run.job_definition_id AS job, {_OWN_RETRY_OF}, 0 AS depth
        FROM job_runs AS run WHERE id = %(id)s
        UNION ALL
        SELECT run.id, up.job, {_OWN_RETRY_OF}, up.depth + 1
        FROM up JOIN job_runs AS run ON run.id = up.retry_of AND run.job_definition_id = up.job
        WHERE up.depth < {MAX_TREE_DEPTH}
    ), down AS (
        (SELECT id, job, 0 AS depth FROM up ORDER BY up.depth DESC LIMIT 1)
        UNION ALL
        SELECT run.id, down.job, down.depth + 1 FROM down
        JOIN job_runs AS run ON run.launch_context->>'retryOf' = down.id::text
            AND run.job_definition_id = down.job AND {is_own_retry("run")}
        WHERE down.depth < {MAX_TREE_DEPTH}
    )
    SELECT run.id, {_OWN_RETRY_OF}, run.status, run.completed_position
    FROM (SELECT id FROM down LIMIT {MAX_TREE_RUNS}) AS one JOIN job_runs AS run USING (id)
"""
"""A run with the runs that it repeats, and all retries of these."""


class RunFacts(TypedDict):
    """What a failure group needs to know of a run."""

    id: ReadOnly[Id]
    job_definition_id: ReadOnly[Id]
    slug: ReadOnly[Text]
    definition_version: ReadOnly[Integer]


class _RetryRow(TypedDict):
    id: ReadOnly[str]
    retry_of: ReadOnly[str | None]
    status: ReadOnly[str]
    completed_position: ReadOnly[int | None]


FACTS = """
    SELECT id, job_definition_id, slug, definition_version FROM job_runs
    WHERE id = ANY(%(ids)s)
"""


async def facts_of(connection: Connection, run_ids: Sequence[UUID]) -> dict[UUID, RunFacts]:
    """Return the facts of runs; runs without a row are left out."""
    values = {"ids": list(run_ids)}
    rows = await read_rows(connection, RunFacts, FACTS, values)
    return {UUID(row["id"]): row for row in rows}


async def retry_tree_of(connection: Connection, run_id: UUID) -> list[RetryNode]:
    """Return the run with the runs that it repeats, and all retries of these."""
    rows = await read_rows(connection, _RetryRow, RETRY_TREE, {"id": run_id})
    # A run may be reached by several paths.
    return list({row["id"]: _retry_node(row) for row in rows}.values())


def _retry_node(row: _RetryRow) -> RetryNode:
    run_id = UUID(row["id"])
    retry_of: UUID | None = None
    if row["retry_of"] is not None:
        retry_of = UUID(row["retry_of"])
    succeeded_at: int | None = None
    if row["status"] == "succeeded":
        succeeded_at = row["completed_position"]
    return RetryNode(run_id, retry_of, succeeded_at)
