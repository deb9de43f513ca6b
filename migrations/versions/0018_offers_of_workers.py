"""What workers offer to execute, and how each of them stands: draining, gone in good order, or lost."""

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    # No entry points: a worker of an older version, which takes whatever there is.
    op.execute(
        "ALTER TABLE workers ADD COLUMN version text, ADD COLUMN entry_points text[],"
        " ADD COLUMN labels jsonb NOT NULL DEFAULT '{}',"
        " ADD COLUMN draining_at timestamptz, ADD COLUMN left_at timestamptz"
    )
    # How those before came to their end, nobody has noted.
    op.execute("UPDATE workers SET left_at = dead_at WHERE dead_at IS NOT NULL")
    op.execute("CREATE INDEX workers_shown ON workers (id) WHERE left_at IS NULL")


def downgrade() -> None:
    op.execute("DROP INDEX workers_shown")
    op.execute(
        "ALTER TABLE workers DROP COLUMN version, DROP COLUMN entry_points, DROP COLUMN labels,"
        " DROP COLUMN draining_at, DROP COLUMN left_at"
    )
