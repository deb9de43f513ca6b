"""Runs created and ended, and how long they waited and took, by job and by minute, hour and day.

The service counts the runs that there are once it has started: in the background, and in one transaction.
"""

from alembic import op

revision = "0040"
down_revision = "0039"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE run_statistics (
            unit text NOT NULL CHECK (unit IN ('minute', 'hour', 'day', 'total')),
            at timestamptz NOT NULL,
            job_definition_id uuid NOT NULL,
            created bigint NOT NULL,
            succeeded bigint NOT NULL,
            failed bigint NOT NULL,
            canceled bigint NOT NULL,
            expired bigint NOT NULL,
            queue_ms_sum bigint NOT NULL,
            duration_ms_sum bigint NOT NULL,
            queue_ms jsonb NOT NULL,
            duration_ms jsonb NOT NULL,
            PRIMARY KEY (unit, at, job_definition_id)
        ) WITH (fillfactor = 70)
    """)
    # One row, which says how far the log is counted: NULL for not at all.
    op.execute("""
        CREATE TABLE run_statistics_progress (
            one boolean PRIMARY KEY DEFAULT true CHECK (one),
            position bigint,
            version integer NOT NULL DEFAULT 0,
            counted_at timestamptz NOT NULL DEFAULT 'epoch',
            minutes_from timestamptz NOT NULL DEFAULT 'epoch',
            hours_from timestamptz NOT NULL DEFAULT 'epoch'
        )
    """)
    op.execute("INSERT INTO run_statistics_progress DEFAULT VALUES")


def downgrade() -> None:
    op.execute("DROP TABLE run_statistics_progress")
    op.execute("DROP TABLE run_statistics")
