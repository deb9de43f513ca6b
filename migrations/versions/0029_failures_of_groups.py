"""Where the failures of a group stand in the log: its events say so in another shape."""

from alembic import op

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    op.execute("ALTER TABLE failure_groups ADD COLUMN state2_version bigint")
    # No log holds an event of that shape yet, so what rows say is all that there is to say.
    op.execute("UPDATE failure_groups SET state2_version = state1_version")
    op.execute("UPDATE projection_versions SET version = 2 WHERE name = 'failure_groups' AND version = 1")
    # The runs of a group are found by where they failed. Only runs that fail are in it.
    op.execute("""
        CREATE INDEX job_runs_failed ON job_runs (completed_position)
        WHERE status IN ('failed', 'expired')
    """)


def downgrade() -> None:
    op.execute("DROP INDEX job_runs_failed")
    op.execute("UPDATE projection_versions SET version = 1 WHERE name = 'failure_groups' AND version = 2")
    op.execute("ALTER TABLE failure_groups DROP COLUMN state2_version")
