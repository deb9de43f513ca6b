"""Jobs that were deleted: their rows stay, for their runs do."""

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.execute("ALTER TABLE job_definitions ADD COLUMN deleted_at timestamptz")
    # No log holds such an event yet, so what rows say is all that there is to say.
    op.execute("UPDATE projection_versions SET version = 4 WHERE name = 'job_definitions' AND version = 3")


def downgrade() -> None:
    op.execute("UPDATE projection_versions SET version = 3 WHERE name = 'job_definitions' AND version = 4")
    op.execute("ALTER TABLE job_definitions DROP COLUMN deleted_at")
