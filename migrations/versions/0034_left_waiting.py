"""An index of the schedules that have a tick which waits although no run of theirs is open.

Such a tick waited for a pause, of its schedule or of its job, beyond the end of the run that was in its way. Once the
pause is over nothing else tells that its time has come.
"""

from alembic import op

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    op.execute("""
        CREATE INDEX schedules_left_waiting ON schedules (updated_at)
        WHERE deleted_at IS NULL AND paused IS NULL AND open_runs = '[]' AND buffered <> '[]'
    """)


def downgrade() -> None:
    op.execute("DROP INDEX schedules_left_waiting")
