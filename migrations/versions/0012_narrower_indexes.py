"""Two indexes hold only what they are asked for, and so ordinary runs never enter them.

Every change of a run's status writes each index whose condition holds. Few runs have a deadline to start by, and few
are to be canceled while they run.
"""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("DROP INDEX job_runs_start_deadline")
    op.execute(
        "CREATE INDEX job_runs_start_deadline ON job_runs (start_deadline_at)"
        " WHERE status = 'pending' AND execution = 0 AND start_deadline_at IS NOT NULL"
    )
    op.execute("DROP INDEX job_runs_held")
    op.execute(
        "CREATE INDEX job_runs_to_cancel ON job_runs (worker_id)"
        " WHERE status = 'running' AND cancel_requested_at IS NOT NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX job_runs_to_cancel")
    op.execute("CREATE INDEX job_runs_held ON job_runs (worker_id) WHERE status = 'running'")
    op.execute("DROP INDEX job_runs_start_deadline")
    op.execute(
        "CREATE INDEX job_runs_start_deadline ON job_runs (start_deadline_at)"
        " WHERE status = 'pending' AND execution = 0"
    )
