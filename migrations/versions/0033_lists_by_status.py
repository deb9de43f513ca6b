"""The indexes of lists by status are for lists alone: they say so by a collation.

A run enters them in each status that it has. While an old snapshot is held, the entries of all runs that ever waited
or ran since then stay, and PostgreSQL, which believes that few do, took these indexes for what waits and what runs,
and walked over all of them at each claim. What waits and what runs has indexes of its own.
"""

from alembic import op

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    op.execute("DROP INDEX job_runs_by_status")
    op.execute('CREATE INDEX job_runs_by_status ON job_runs (status COLLATE "C", created_position DESC)')
    op.execute("DROP INDEX job_runs_by_definition_and_status")
    op.execute(
        "CREATE INDEX job_runs_by_definition_and_status"
        ' ON job_runs (job_definition_id, status COLLATE "C", created_position DESC)'
    )


def downgrade() -> None:
    op.execute("DROP INDEX job_runs_by_definition_and_status")
    op.execute(
        "CREATE INDEX job_runs_by_definition_and_status ON job_runs (job_definition_id, status, created_position DESC)"
    )
    op.execute("DROP INDEX job_runs_by_status")
    op.execute("CREATE INDEX job_runs_by_status ON job_runs (status, created_position DESC)")
