"""The workers that started a run."""

from alembic import op

revision = "0045"
down_revision = "0044"


def upgrade() -> None:
    op.execute("ALTER TABLE job_runs ADD COLUMN started_by jsonb")
    # Where no run has started yet, rows are right as they are.
    op.execute(
        """
        UPDATE projection_versions SET version = 9
        WHERE name = 'job_runs' AND version = 8
            AND NOT EXISTS (SELECT 1 FROM job_runs WHERE execution > 0)
        """
    )


def downgrade() -> None:
    op.execute("UPDATE projection_versions SET version = 8 WHERE name = 'job_runs' AND version = 9")
    op.execute("ALTER TABLE job_runs DROP COLUMN started_by")
