"""How far a job's attempts are kept apart, and how many may share a process in a worker."""

from alembic import op

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    # All attempts had a process to themselves until now, so rows are right as they are.
    op.execute("ALTER TABLE job_definitions ADD COLUMN isolation text NOT NULL DEFAULT 'process'")
    op.execute("CREATE INDEX job_definitions_shared ON job_definitions (id) WHERE isolation = 'shared'")
    op.execute("ALTER TABLE workers ADD COLUMN shared_slots integer NOT NULL DEFAULT 0")
    op.execute("UPDATE projection_versions SET version = 11 WHERE name = 'job_definitions' AND version = 10")


def downgrade() -> None:
    op.execute("UPDATE projection_versions SET version = 10 WHERE name = 'job_definitions' AND version = 11")
    op.execute("ALTER TABLE workers DROP COLUMN shared_slots")
    op.execute("DROP INDEX job_definitions_shared")
    op.execute("ALTER TABLE job_definitions DROP COLUMN isolation")
