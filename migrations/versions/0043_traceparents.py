"""The span in which a run was launched."""

from alembic import op

revision = "0043"
down_revision = "0042"


def upgrade() -> None:
    # No run has one until now, so rows are right as they are.
    op.execute("ALTER TABLE job_runs ADD COLUMN traceparent text")
    op.execute("UPDATE projection_versions SET version = 8 WHERE name = 'job_runs' AND version = 7")


def downgrade() -> None:
    op.execute("UPDATE projection_versions SET version = 7 WHERE name = 'job_runs' AND version = 8")
    op.execute("ALTER TABLE job_runs DROP COLUMN traceparent")
