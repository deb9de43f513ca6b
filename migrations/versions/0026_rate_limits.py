"""How many runs of a job may start within a period, and when those were started that count."""

from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    op.execute("ALTER TABLE job_definitions ADD COLUMN rate_limit jsonb")
    op.execute(
        "ALTER TABLE job_runs ADD COLUMN rate_value text, ADD COLUMN starts jsonb,"
        " ADD COLUMN last_start_at timestamptz, ADD COLUMN state2_version bigint"
    )
    op.execute(
        "CREATE INDEX job_runs_counted_starts ON job_runs (job_definition_id, rate_value, last_start_at)"
        " WHERE last_start_at IS NOT NULL"
    )
    op.execute(
        "CREATE INDEX job_runs_pending_by_rate ON job_runs"
        " (job_definition_id, rate_value, priority DESC, scheduled_at, id)"
        " WHERE status = 'pending' AND rate_value IS NOT NULL"
    )
    # No log holds such a limit yet, so what rows say is all that there is to say.
    op.execute("UPDATE projection_versions SET version = 7 WHERE name = 'job_definitions' AND version = 6")
    op.execute("UPDATE projection_versions SET version = 5 WHERE name = 'job_runs' AND version = 4")


def downgrade() -> None:
    op.execute("UPDATE projection_versions SET version = 4 WHERE name = 'job_runs' AND version = 5")
    op.execute("UPDATE projection_versions SET version = 6 WHERE name = 'job_definitions' AND version = 7")
    op.execute(
        "ALTER TABLE job_runs DROP COLUMN rate_value, DROP COLUMN starts, DROP COLUMN last_start_at,"
        " DROP COLUMN state2_version"
    )
    op.execute("ALTER TABLE job_definitions DROP COLUMN rate_limit")
