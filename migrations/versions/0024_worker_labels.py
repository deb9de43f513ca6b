"""What a job asks of the workers that may execute its runs."""

from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    # No job has asked for anything until now, so rows are right as they are.
    op.execute("ALTER TABLE job_definitions ADD COLUMN worker_labels jsonb NOT NULL DEFAULT '{}'")
    op.execute("CREATE INDEX job_definitions_labelled ON job_definitions (id) WHERE worker_labels <> '{}'")
    op.execute("UPDATE projection_versions SET version = 6 WHERE name = 'job_definitions' AND version = 5")


def downgrade() -> None:
    op.execute("UPDATE projection_versions SET version = 5 WHERE name = 'job_definitions' AND version = 6")
    op.execute("DROP INDEX job_definitions_labelled")
    op.execute("ALTER TABLE job_definitions DROP COLUMN worker_labels")
