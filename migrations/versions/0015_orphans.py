"""Which runs a worker holds, and which dead workers hold none any more.

Limits of concurrency are counted by each process for itself, so runs under way are no longer sought by their job.
"""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.execute("ALTER TABLE workers ADD COLUMN recovered_at timestamptz")
    op.execute("CREATE INDEX workers_gone ON workers (id) WHERE dead_at IS NOT NULL AND recovered_at IS NULL")
    op.execute("CREATE INDEX job_runs_held ON job_runs (worker_id) WHERE status = 'running'")
    op.execute("DROP INDEX job_runs_running")


def downgrade() -> None:
    op.execute(
        "CREATE INDEX job_runs_running ON job_runs (job_definition_id, concurrency_value) WHERE status = 'running'"
    )
    op.execute("DROP INDEX job_runs_held")
    op.execute("DROP INDEX workers_gone")
    op.execute("ALTER TABLE workers DROP COLUMN recovered_at")
