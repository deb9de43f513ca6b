"""The table `failure_groups`: what fails, how often, and whether it is resolved.

First its columns and its JSON for clients (`present`); then lists, by last failure; last how often
groups failed over time. `domain/failures/group.py` says what events do to a group.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain import identifiers
from domain.failures.group import FailureGroup, GroupState, Opened, Recurred
from domain.json_values import Json, JsonObject
from domain.ports import Row
from projections.rows import Connection, columns_of, presented, read_rows
from projections.table import DecisiveRow2, TableOf, rows_by_id, shown_columns


class FailureGroupRow(DecisiveRow2, GroupState):
    """A failure group's state, and the last event that it includes."""


COLUMNS = columns_of(FailureGroupRow)

SHOWN = shown_columns(FailureGroupRow, {"aggregate_id", "created_at", "updated_at"})


TABLE: TableOf[FailureGroupRow] = TableOf(
    "failure_groups",
    "failure_group",
    "aggregate_id",
    COLUMNS,
    FailureGroup.fold(),
    version=2,
    label="title",
    id_by_name=identifiers.failure_group_id,
)


def present(row: Row) -> JsonObject:
    """Return the group as clients see it (contract, section 10)."""
    return presented(row, SHOWN)


# Lists of failure groups, by last failure, newest first.

PAGE = f"""
    SELECT {", ".join(COLUMNS)} FROM failure_groups
    WHERE status = ANY(%(statuses)s)
        AND (%(job)s::text IS NULL OR lower(job) = lower(%(job)s))
        AND (last_at, fingerprint COLLATE "C") < (%(at)s::timestamptz, %(fingerprint)s)
    ORDER BY last_at DESC, fingerprint COLLATE "C" DESC LIMIT %(limit)s
"""


OLDEST = f"""
    SELECT {", ".join(COLUMNS)} FROM failure_groups
    WHERE %(job)s::text IS NULL OR lower(job) = lower(%(job)s)
    ORDER BY created_at, aggregate_id LIMIT %(limit)s
"""


@dataclass(frozen=True, order=True)
class PagePosition:
    """Where a page ended: the last failure of its last group, and that group."""

    at: str
    fingerprint: str


BEGINNING = PagePosition("infinity", "")


async def page_of_groups(
    connection: Connection,
    statuses: Sequence[str],
    job: str | None,
    after: PagePosition,
    limit: int,
) -> list[FailureGroupRow]:
    """Return the next groups, of one job or of all."""
    values = {
        "statuses": list(statuses),
        "job": job,
        "at": after.at,
        "fingerprint": after.fingerprint,
        "limit": limit,
    }
    return await read_rows(connection, FailureGroupRow, PAGE, values)


async def by_id(connection: Connection, group_id: UUID) -> FailureGroupRow | None:
    """Return a group, None if there is none."""
    rows = await rows_by_id(connection, TABLE, [group_id])
    return rows.get(group_id)


async def oldest(connection: Connection, job: str | None, limit: int) -> list[FailureGroupRow]:
    """Return the groups that were opened first, of one job or of all."""
    values = {"job": job, "limit": limit}
    return await read_rows(connection, FailureGroupRow, OLDEST, values)


def position_of(row: FailureGroupRow) -> PagePosition:
    """Return the position of a group in lists; texts of times are in order."""
    return PagePosition(row["last_at"], row["fingerprint"])


# How often groups failed over time, by their own events: one in half a second at most.

MAX_EVENTS = 2_000
"""The newest events of a group that are examined, so that an answer costs no more after years."""

MAX_EVENTS_IN_ALL = 40_000
"""Of many groups together; examining this number takes some tenths of a second."""

OVER_TIME = f"""
    WITH event AS MATERIALIZED (
        -- Without the contents of the events, which would not fit into memory together.
        SELECT one.* FROM unnest((SELECT %(ids)s::uuid[])) AS named (id) CROSS JOIN LATERAL (
            SELECT originator_id, recorded_at, (data->>'failures')::integer AS failures,
                (data->>'last_at')::timestamptz AS last_at
            FROM (
                SELECT originator_id, recorded_at,
                    CASE WHEN topic IN ('{Opened.TOPIC}', '{Recurred.TOPIC}')
                    THEN convert_from(state, 'LATIN1')::json END AS data
                FROM jobs_events
                WHERE originator_id = named.id ORDER BY originator_version DESC LIMIT %(events)s
            ) AS newest
        ) AS one
    ), looked_at AS (
        SELECT originator_id, greatest(
            %(since)s::timestamptz,
            CASE WHEN count(*) = %(events)s THEN min(recorded_at) END
        ) AS since
        FROM event GROUP BY originator_id
    ), counted AS (
        SELECT originator_id, date_bin(%(bucket)s::interval, last_at, %(since)s) AS at,
            sum(failures)::integer AS failures
        FROM event WHERE last_at >= %(since)s::timestamptz GROUP BY originator_id, at
    )
    SELECT originator_id AS id, since, at, failures
    FROM looked_at LEFT JOIN counted USING (originator_id) ORDER BY originator_id, at
"""
"""As Latin-1, any bytes are a valid text, whatever the database's encoding; only numbers and times
are used."""


class _FailuresInBucket(TypedDict):
    """The failures of a group in a bucket; null if it had none in all of them."""

    id: ReadOnly[str]
    since: ReadOnly[str]
    at: ReadOnly[str | None]
    failures: ReadOnly[int | None]


async def over_time(
    connection: Connection, names: Mapping[UUID, str], since: datetime, bucket: timedelta
) -> list[JsonObject]:
    """Return how often each group failed in each bucket of time from a moment on.

    Args:
        connection: to read with.
        names: the fingerprints of the groups, by their ids; unknown ones are left out.
        since: when the first bucket begins.
        bucket: the length of each.
    """
    events = min(MAX_EVENTS, MAX_EVENTS_IN_ALL // max(len(names), 1))
    values = {"ids": list(names), "since": since, "bucket": bucket, "events": events}
    rows = await read_rows(connection, _FailuresInBucket, OVER_TIME, values)
    of_group: dict[str, JsonObject] = {}
    buckets: dict[str, list[Json]] = {}
    for row in rows:
        name = names[UUID(row["id"])]
        of_buckets = buckets.setdefault(name, [])
        of_group[name] = {"fingerprint": name, "since": row["since"], "buckets": of_buckets}
        if row["at"] is not None:
            of_buckets.append({"at": row["at"], "failures": row["failures"]})
    return [of_group[name] for name in names.values() if name in of_group]
