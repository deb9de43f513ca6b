"""Which runs of a schedule people launched, which ticks a revision leaves to fire, and who looks at the clock.

What rows say of the first two only the log tells: the table is rebuilt at the next start.
"""

from alembic import op

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    op.execute("""
        ALTER TABLE schedules
            ADD COLUMN manual_runs jsonb NOT NULL DEFAULT '[]',
            ADD COLUMN carried jsonb NOT NULL DEFAULT '[]',
            ADD COLUMN state2_version bigint
    """)
    op.execute("DROP INDEX schedules_left_waiting")
    op.execute("""
        CREATE INDEX schedules_left_waiting ON schedules (updated_at)
        WHERE deleted_at IS NULL AND paused IS NULL AND open_runs <@ manual_runs AND buffered <> '[]'
    """)
    # Where there are none, nothing needs to be rebuilt.
    op.execute("""
        UPDATE projection_versions SET version = 2
        WHERE name = 'schedules' AND version = 1 AND NOT EXISTS (SELECT FROM schedules)
    """)
    # One row: from when on, and until when, some process has looked at the clock.
    op.execute("""
        CREATE TABLE schedule_watch (
            id integer PRIMARY KEY CHECK (id = 1),
            watched_since timestamptz NOT NULL,
            watched_until timestamptz NOT NULL
        )
    """)


def downgrade() -> None:
    op.execute("UPDATE projection_versions SET version = 1 WHERE name = 'schedules' AND version = 2")
    op.execute("DROP TABLE schedule_watch")
    op.execute("DROP INDEX schedules_left_waiting")
    op.execute("""
        CREATE INDEX schedules_left_waiting ON schedules (updated_at)
        WHERE deleted_at IS NULL AND paused IS NULL AND open_runs = '[]' AND buffered <> '[]'
    """)
    op.execute("""
        ALTER TABLE schedules
            DROP COLUMN manual_runs, DROP COLUMN carried, DROP COLUMN state2_version
    """)
