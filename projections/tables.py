"""All projected tables. Adding one here is all that writing, rebuilding and checking it takes."""

from projections import builds, erased_subjects, job_definitions, job_runs, repositories
from projections.table import Table

TABLES: tuple[Table, ...] = (
    job_definitions.TABLE,
    job_runs.TABLE,
    repositories.TABLE,
    builds.TABLE,
    erased_subjects.TABLE,
)

BY_SUBJECT: dict[str, Table] = {table.subject: table for table in TABLES}
