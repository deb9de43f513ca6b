"""A worker says where it writes the logs of its runs, so that an API that looks elsewhere can tell."""

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.execute("ALTER TABLE workers ADD COLUMN logs_at text")
    # An empty table is what every version of its fold would make of it.
    op.execute(
        "UPDATE projection_versions SET version = 4 WHERE name = 'job_runs' AND version = 3"
        " AND NOT EXISTS (SELECT FROM job_runs)"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE workers DROP COLUMN logs_at")
    op.execute(
        "UPDATE projection_versions SET version = 3 WHERE name = 'job_runs' AND version = 4"
        " AND NOT EXISTS (SELECT FROM job_runs)"
    )
