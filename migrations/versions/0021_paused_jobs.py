"""Jobs that are paused: since when, by whom and why."""

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE job_definitions ADD COLUMN paused jsonb, ADD COLUMN state2_version bigint"
    )
    # No log holds such an event yet, so what rows say is all that there is to say.
    op.execute("UPDATE job_definitions SET state2_version = state1_version")
    op.execute("UPDATE projection_versions SET version = 3 WHERE name = 'job_definitions' AND version = 2")


def downgrade() -> None:
    op.execute("UPDATE projection_versions SET version = 2 WHERE name = 'job_definitions' AND version = 3")
    op.execute("ALTER TABLE job_definitions DROP COLUMN paused, DROP COLUMN state2_version")
