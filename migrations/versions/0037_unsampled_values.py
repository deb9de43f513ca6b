"""Values of runs and schedules are kept out of the planner's statistics.

ANALYZE copies the most common values of a column, and some from all of its range, into `pg_statistic`. There they would
outlive the erasure of whom they are about, until the next ANALYZE and in every dump of statistics. No query of ours is
planned by them.
"""

from alembic import op

revision = "0037"
down_revision = "0036"

_COLUMNS = {
    "job_runs": ("parameters", "result", "error_message", "metrics", "context", "request_digest"),
    "schedules": ("parameters",),
    "bulk_operations": ("refusals",),
    "failure_groups": ("title",),
}

_FORGET = """
    DO $$ BEGIN
        ALTER TABLE {table} ALTER COLUMN {column} TYPE {kind};
    EXCEPTION WHEN feature_not_supported THEN
        RAISE NOTICE 'a view uses {table}.{column}, which keeps its statistics';
    END $$
"""
"""The same type again rewrites nothing, and is the one way to drop what is in `pg_statistic` already."""


def upgrade() -> None:
    for table, columns in _COLUMNS.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 0")
            kind = "text" if column in {"error_message", "request_digest", "title"} else "jsonb"
            op.execute(_FORGET.format(table=table, column=column, kind=kind))


def downgrade() -> None:
    for table, columns in _COLUMNS.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS -1")
