"""Repositories say whose name, description and tags they have: what was found, or their author's alone."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute("ALTER TABLE repositories ADD COLUMN metadata_strategy text NOT NULL DEFAULT 'auto'")
    # No event until now said otherwise, so that all rows are right as they are.
    op.execute("UPDATE projection_versions SET version = 2 WHERE name = 'repositories' AND version = 1")


def downgrade() -> None:
    op.execute("UPDATE projection_versions SET version = 1 WHERE name = 'repositories' AND version = 2")
    op.execute("ALTER TABLE repositories DROP COLUMN metadata_strategy")
