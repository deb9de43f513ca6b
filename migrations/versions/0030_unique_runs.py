"""Of which runs of a job one is enough, and by what each stands for others."""

from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    op.execute("ALTER TABLE job_definitions ADD COLUMN unique_runs jsonb")
    op.execute("ALTER TABLE job_runs ADD COLUMN unique_value text, ADD COLUMN unique_until text")
    op.execute(
        "CREATE INDEX job_runs_unique ON job_runs (job_definition_id, unique_value)"
        " WHERE unique_value IS NOT NULL AND status IN ('pending', 'running')"
    )
    # No log holds such a run yet, so what rows say is all that there is to say.
    op.execute("UPDATE projection_versions SET version = 9 WHERE name = 'job_definitions' AND version = 8")
    op.execute("UPDATE projection_versions SET version = 6 WHERE name = 'job_runs' AND version = 5")


def downgrade() -> None:
    op.execute("UPDATE projection_versions SET version = 5 WHERE name = 'job_runs' AND version = 6")
    op.execute("UPDATE projection_versions SET version = 8 WHERE name = 'job_definitions' AND version = 9")
    op.execute("ALTER TABLE job_runs DROP COLUMN unique_value, DROP COLUMN unique_until")
    op.execute("ALTER TABLE job_definitions DROP COLUMN unique_runs")
