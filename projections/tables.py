"""All projected tables. Adding one here is all that writing, rebuilding and checking it takes."""

from projections import (
    builds,
    erased_subjects,
    job_definitions,
    job_runs,
    repositories,
)
from projections.bulk import row as bulk
from projections.failures import groups, watch
from projections.schedules import row as schedules
from projections.table import Table

TABLES: tuple[Table, ...] = (
    job_definitions.TABLE,
    job_runs.TABLE,
    repositories.TABLE,
    builds.TABLE,
    erased_subjects.TABLE,
    schedules.TABLE,
    bulk.TABLE,
    groups.TABLE,
    watch.TABLE,
)

BY_SUBJECT: dict[str, Table] = {table.subject: table for table in TABLES}
