"""Searching runs: by what is said of their job, or by the start of their id.

The jobs that match are found first, then each one's newest runs by its index, and runs by a range
of ids: so what matches little or nothing costs little, too.
"""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from domain.filters.conditions import Conditions, Label
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


class Jobs(Protocol):
    """The jobs that there are, or were."""

    async def jobs_with(self, slugs: Sequence[str]) -> list[UUID]:
        """Return the jobs with one of these slugs, ignoring case."""

    async def jobs_for(self, runtimes: Sequence[str]) -> list[UUID] | None:
        """Return the jobs that are for one of these runtimes, None where all jobs are."""

    async def jobs_of_modules(self, modules: Sequence[str]) -> list[UUID]:
        """Return the jobs that belong to one of these modules."""

    async def jobs_named_like(self, search: str) -> list[UUID]:
        """Return the jobs whose slug or name holds the text, in any case."""

    async def jobs_labelled(self, label: Label) -> list[UUID]:
        """Return the jobs that ask workers for the label, with any of its values."""


async def jobs_meant(jobs: Jobs, conditions: Conditions) -> list[UUID] | None:
    """Return the jobs of which runs are wanted, None for all; others may be unwanted besides."""
    meant = await jobs_wanted(jobs, conditions.jobs.wanted, conditions.runtimes.wanted)
    if conditions.modules.wanted:
        bound = await jobs.jobs_of_modules(sorted(conditions.modules.wanted))
        meant = bound if meant is None else _both(meant, bound)
    for label in conditions.labels:
        if label.is_negated:
            continue
        labelled = await jobs.jobs_labelled(label)
        meant = labelled if meant is None else _both(meant, labelled)
    return meant


async def jobs_wanted(
    jobs: Jobs, slugs: frozenset[str], runtimes: frozenset[str]
) -> list[UUID] | None:
    """Return the jobs with one of these slugs and for one of these runtimes, None for all.

    What is empty restricts nothing.
    """
    with_slugs: list[UUID] | None = None
    if slugs:
        with_slugs = await jobs.jobs_with(_possible(slugs))
    if not runtimes:
        return with_slugs
    of_runtimes = await jobs.jobs_for(sorted(runtimes))
    if with_slugs is None or of_runtimes is None:
        return with_slugs if of_runtimes is None else of_runtimes
    return _both(with_slugs, of_runtimes)


async def jobs_unwanted(jobs: Jobs, conditions: Conditions) -> list[UUID] | None:
    """Return the jobs whose runs are not wanted; None for all."""
    found: list[UUID] = []
    if conditions.jobs.unwanted:
        found += await jobs.jobs_with(_possible(conditions.jobs.unwanted))
    if conditions.runtimes.unwanted:
        of_runtimes = await jobs.jobs_for(sorted(conditions.runtimes.unwanted))
        if of_runtimes is None:
            return None
        found += of_runtimes
    if conditions.modules.unwanted:
        found += await jobs.jobs_of_modules(sorted(conditions.modules.unwanted))
    for label in conditions.labels:
        if label.is_negated:
            found += await jobs.jobs_labelled(label)
    for text in conditions.unsought:
        found += await jobs.jobs_named_like(text)
    return list(dict.fromkeys(found))


def _possible(slugs: frozenset[str]) -> list[str]:
    """Return the slugs that a job can have: case is ignored in ASCII alone."""
    return sorted(slug for slug in slugs if slug.isascii())


def _both(some: Sequence[UUID], others: Sequence[UUID]) -> list[UUID]:
    """Return the jobs that are among both."""
    passing = set(others)
    return [job for job in some if job in passing]


async def jobs_named_like(connection: Connection, search: str) -> list[UUID]:
    """Return the jobs whose slug or name holds the text, in any case."""
    return await read_ids(connection, _JOBS, {"search": search})


async def jobs_labelled(connection: Connection, label: Label) -> list[UUID]:
    """Return the jobs that ask workers for the label, with any of its values."""
    query = """
        SELECT id FROM job_definitions
        WHERE worker_labels <> '{}' AND worker_labels ->> %(name)s = ANY(%(values)s)
    """
    values = {"name": label.name, "values": list(label.values)}
    return await read_ids(connection, query, values)


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
        any_status = f"({' OR '.join(statuses)})"
        named.append(any_status)
    return whole_rows(f"""
        WITH named AS MATERIALIZED (
            SELECT * FROM job_runs
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
