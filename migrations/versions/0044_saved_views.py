"""Saved views of the list of runs."""

from alembic import op

revision = "0044"
down_revision = "0043"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE saved_views (
            aggregate_id uuid PRIMARY KEY,
            name text NOT NULL,
            filter jsonb NOT NULL,
            sort text NOT NULL,
            saved_by text NOT NULL,
            deleted_at timestamptz,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            aggregate_version bigint NOT NULL,
            position bigint NOT NULL,
            state1_version bigint
        )
    """)
    # Lists: however many were deleted, they are not read.
    op.execute("""
        CREATE INDEX saved_views_by_name ON saved_views (name COLLATE "C") WHERE deleted_at IS NULL
    """)
    # No log holds an event of a view yet, so the table is complete.
    op.execute("INSERT INTO projection_versions (name, version) VALUES ('saved_views', 1)")


def downgrade() -> None:
    op.execute("DELETE FROM projection_versions WHERE name = 'saved_views'")
    op.execute("DROP TABLE saved_views")
