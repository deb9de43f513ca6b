"""Indexes and settings for millions of runs."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute(
        "CREATE INDEX job_runs_waiting ON job_runs"
        " (job_definition_id, ((concurrency_value IS NOT NULL)::int), priority DESC, scheduled_at, id)"
        " WHERE status = 'pending'"
    )
    op.execute(
        "CREATE INDEX job_runs_waiting_by_key ON job_runs"
        " (job_definition_id, concurrency_value, priority DESC, scheduled_at, id)"
        " WHERE status = 'pending' AND concurrency_value IS NOT NULL"
    )
    # When the next run is due is read off `job_runs_due`, priority by priority.
    op.execute("DROP INDEX job_runs_next")


def downgrade() -> None:
    op.execute("CREATE INDEX job_runs_next ON job_runs (scheduled_at) WHERE status = 'pending'")
    op.execute("DROP INDEX job_runs_waiting_by_key")
    op.execute("DROP INDEX job_runs_waiting")
