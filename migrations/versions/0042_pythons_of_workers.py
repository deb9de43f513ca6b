"""Which Pythons run a worker's handlers: empty for workers that do not say."""

from alembic import op

revision = "0042"
down_revision = "0041"


def upgrade() -> None:
    op.execute("ALTER TABLE workers ADD COLUMN pythons jsonb NOT NULL DEFAULT '[]'")


def downgrade() -> None:
    op.execute("ALTER TABLE workers DROP COLUMN pythons")
