"""Searching runs: by part of their job's slug or name, or by the start of their id.

The jobs that match are found first, then each one's newest runs by its index, and runs by a range
of ids: so what matches little or nothing costs little, too.
"""

from collections.abc import Sequence
from uuid import UUID

from projections.rows import Connection, read_ids, read_value

IdRange = tuple[UUID | None, UUID | None]
"""A first and a last id, both None for no id at all."""

NO_IDS: IdRange = (None, None)

MAX_NAMED = 1_000
"""Runs whose ids start with the text that are all looked at. Where more do, most runs do: then the
newest are read one by one, and soon make a page."""

NAMED_LIKE = """(
    strpos(lower(slug), lower(%(search)s)) > 0 OR strpos(lower(name), lower(%(search)s)) > 0
)"""
"""Whether the slug or name of a job holds the text, in any case."""

_JOBS = f"SELECT id FROM job_definitions WHERE {NAMED_LIKE}"

_DIGITS_OF_AN_ID = 32


async def jobs_named_like(connection: Connection, search: str) -> list[UUID]:
    """Return the jobs whose slug or name holds the text, in any case."""
    return await read_ids(connection, _JOBS, {"search": search})


def id_range(search: str) -> IdRange:
    """Return the first and last id that start with the text; `NO_IDS` where none can."""
    digits = search.replace("-", "").lower()
    if (
        not digits
        or len(digits) > _DIGITS_OF_AN_ID
        or set(digits) - set("0123456789abcdef")
    ):
        return NO_IDS
    first = UUID(digits.ljust(_DIGITS_OF_AN_ID, "0"))
    last = UUID(digits.ljust(_DIGITS_OF_AN_ID, "f"))
    if not str(first).startswith(search.lower()):
        return NO_IDS
    return first, last


_IN_RANGE = (
    "SELECT id FROM job_runs WHERE id BETWEEN %(first_id)s AND %(last_id)s ORDER BY id"
)


async def starts_many(connection: Connection, ids: IdRange) -> bool:
    """Return whether more than `MAX_NAMED` runs have an id in the range."""
    if ids == NO_IDS:
        return False
    first_id, last_id = ids
    query = f"SELECT count(*) FROM ({_IN_RANGE} LIMIT {MAX_NAMED + 1}) AS named"
    found = await read_value(
        connection, int, query, {"first_id": first_id, "last_id": last_id}
    )
    return found > MAX_NAMED


def newest_found(statuses: Sequence[str], conditions: Sequence[str]) -> str:
    """Return the query for a page of runs that a text matches, newest first.

    They are those of the jobs `%(found)s` and those with ids in the range. Places in the log alone
    are gathered, off the index; whole rows are read of the page only.

    Args:
        statuses: conditions on the status, each a branch of its own; empty for all.
        conditions: what else must hold.
    """
    of_job = " AND ".join(["job_definition_id = job.id", *conditions])
    branches = [_branch(of_job)]
    named = ["true", *conditions]
    if statuses:
        branches = [_branch(f"{of_job} AND {status}") for status in statuses]
        named.append(f"({' OR '.join(statuses)})")
    return whole_rows(f"""
        WITH named AS MATERIALIZED (
            SELECT created_position, job_definition_id, status FROM job_runs
            WHERE id BETWEEN %(first_id)s AND %(last_id)s
        )
        SELECT created_position FROM (
            SELECT part.created_position FROM unnest(%(found)s::uuid[]) AS job (id)
            CROSS JOIN LATERAL (
                SELECT created_position FROM ({" UNION ALL ".join(branches)}) AS branch
                ORDER BY created_position DESC LIMIT %(page_end)s
            ) AS part
            UNION SELECT created_position FROM named WHERE {" AND ".join(named)}
        ) AS found
        ORDER BY created_position DESC OFFSET %(offset)s LIMIT %(limit)s
    """)


def _branch(condition: str) -> str:
    return f"""(
        SELECT created_position FROM job_runs WHERE {condition}
        ORDER BY created_position DESC LIMIT %(page_end)s)"""


def whole_rows(places: str) -> str:
    """Return the query for the runs at the places in the log that a query yields.

    It yields them as `created_position`.
    """
    return f"""
        SELECT run.* FROM ({places}) AS page CROSS JOIN LATERAL (
            SELECT * FROM job_runs WHERE created_position = page.created_position LIMIT 1
        ) AS run
        ORDER BY page.created_position DESC
    """
