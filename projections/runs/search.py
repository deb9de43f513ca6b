"""Searching runs: by part of their job's slug or name, or by the start of their id.

The jobs that match are found first, then each one's newest runs by its index, and runs by a range
of ids: so what matches little or nothing costs little, too.
"""

from collections.abc import Sequence
from uuid import UUID

from projections.rows import Connection, fetch_rows

MAX_NAMED = 1_000
"""Runs whose ids start with the text that are all looked at. Where more do, most runs do: then the
newest are read one by one, and soon make a page."""

_JOBS = """
    SELECT id FROM job_definitions
    WHERE strpos(lower(slug), lower(%(search)s)) > 0 OR strpos(lower(name), lower(%(search)s)) > 0
"""


async def jobs_named_like(connection: Connection, search: str) -> list[UUID]:
    """Return the jobs whose slug or name holds the text, in any case."""
    return [UUID(str(row["id"])) for row in await fetch_rows(connection, _JOBS, {"search": search})]


def id_range(search: str) -> tuple[UUID | None, UUID | None]:
    """Return the first and last id that start with the text; (None, None) where it is no id's beginning."""
    digits = search.replace("-", "").lower()
    if not digits or len(digits) > 32 or set(digits) - set("0123456789abcdef"):  # noqa: PLR2004 - a UUID's digits
        return None, None
    first, last = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    return (first, last) if str(first).startswith(search.lower()) else (None, None)


_IN_RANGE = "SELECT id FROM job_runs WHERE id BETWEEN %(first_id)s AND %(last_id)s ORDER BY id"


async def starts_many(connection: Connection, ids: tuple[UUID | None, UUID | None]) -> bool:
    """Return whether more than `MAX_NAMED` runs have an id in the range."""
    if ids == (None, None):
        return False
    query = f"SELECT count(*) AS found FROM ({_IN_RANGE} LIMIT {MAX_NAMED + 1}) AS named"
    [counted] = await fetch_rows(connection, query, {"first_id": ids[0], "last_id": ids[1]})
    return int(str(counted["found"])) > MAX_NAMED


def newest_found(statuses: Sequence[str], conditions: Sequence[str]) -> str:
    """Return the query for a page of runs of the jobs `%(found)s`, and of those with ids in the range, newest first.

    Places in the log alone are gathered, off the index; whole rows are read of the page only.

    Args:
        statuses: conditions on the status, each a branch of its own; empty for all.
        conditions: what else must hold.
    """
    branches = " UNION ALL ".join(
        f"""(SELECT created_position FROM job_runs
             WHERE {" AND ".join(["job_definition_id = job.id", *conditions, *status])}
             ORDER BY created_position DESC LIMIT %(page_end)s)"""
        for status in ([[status] for status in statuses] or [[]])
    )
    of_status = [f"({' OR '.join(statuses)})"] if statuses else []
    return whole_rows(f"""
        WITH named AS MATERIALIZED (
            SELECT created_position, job_definition_id, status FROM job_runs
            WHERE id BETWEEN %(first_id)s AND %(last_id)s
        )
        SELECT created_position FROM (
            SELECT part.created_position FROM unnest(%(found)s::uuid[]) AS job (id)
            CROSS JOIN LATERAL (
                SELECT created_position FROM ({branches}) AS branch
                ORDER BY created_position DESC LIMIT %(page_end)s
            ) AS part
            UNION SELECT created_position FROM named WHERE {" AND ".join(["true", *conditions, *of_status])}
        ) AS found
        ORDER BY created_position DESC OFFSET %(offset)s LIMIT %(limit)s
    """)


def whole_rows(places: str) -> str:
    """Return the query for the runs at these places in the log, which a query gives as `created_position`."""
    return f"""
        SELECT run.* FROM ({places}) AS page CROSS JOIN LATERAL (
            SELECT * FROM job_runs WHERE created_position = page.created_position LIMIT 1
        ) AS run
        ORDER BY page.created_position DESC
    """
