"""How long after their end a job's runs are archived, and how far that has come."""

from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    # No job has asked for anything until now, so rows are right as they are.
    op.execute("ALTER TABLE job_definitions ADD COLUMN retention jsonb")
    op.execute("CREATE INDEX job_definitions_retained ON job_definitions (id) WHERE retention IS NOT NULL")
    op.execute("UPDATE projection_versions SET version = 8 WHERE name = 'job_definitions' AND version = 7")
    op.execute("""
        CREATE TABLE retention_marks (
            job_definition_id uuid NOT NULL,
            status text NOT NULL,
            created_position bigint NOT NULL,
            PRIMARY KEY (job_definition_id, status)
        )
    """)


def downgrade() -> None:
    op.execute("DROP TABLE retention_marks")
    op.execute("UPDATE projection_versions SET version = 7 WHERE name = 'job_definitions' AND version = 8")
    op.execute("DROP INDEX job_definitions_retained")
    op.execute("ALTER TABLE job_definitions DROP COLUMN retention")
