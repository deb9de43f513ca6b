"""How many runs of one concurrency key may run at a time."""

from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    # One at a time is what a key has meant until now, so rows are right as they are.
    op.execute("ALTER TABLE job_definitions ADD COLUMN concurrency_limit integer NOT NULL DEFAULT 1")
    op.execute("UPDATE projection_versions SET version = 5 WHERE name = 'job_definitions' AND version = 4")


def downgrade() -> None:
    op.execute("UPDATE projection_versions SET version = 4 WHERE name = 'job_definitions' AND version = 5")
    op.execute("ALTER TABLE job_definitions DROP COLUMN concurrency_limit")
