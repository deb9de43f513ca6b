"""Which version of its fold wrote each projected table."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE projection_versions (
            name text PRIMARY KEY,
            version integer NOT NULL,
            written_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )
    """)
    # What stands in these tables was written by the first version of their folds.
    op.execute("""
        INSERT INTO projection_versions (name, version)
        SELECT name, 1 FROM unnest(ARRAY['job_definitions', 'job_runs', 'repositories', 'builds']) AS name
    """)


def downgrade() -> None:
    op.execute("DROP TABLE projection_versions")
