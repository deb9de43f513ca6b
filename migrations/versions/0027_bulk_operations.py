"""Bulk operations: what was ordered of many runs at a time, and how far each has got."""

from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE bulk_operations (
            id uuid PRIMARY KEY,
            action text NOT NULL,
            filter jsonb NOT NULL,
            reason text NOT NULL,
            patch jsonb,
            status text NOT NULL,
            total bigint NOT NULL,
            done bigint NOT NULL,
            refused bigint NOT NULL,
            refusals jsonb NOT NULL,
            requested_by text NOT NULL,
            abort_reason text,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            completed_at timestamptz,
            as_of bigint NOT NULL,
            left_before bigint,
            created_position bigint NOT NULL,
            aggregate_version bigint NOT NULL,
            position bigint NOT NULL,
            state1_version bigint
        )
    """)
    op.execute("CREATE INDEX bulk_operations_newest ON bulk_operations (created_position DESC)")
    # Those that are not finished: each process reads them twice a second.
    op.execute("""
        CREATE INDEX bulk_operations_open ON bulk_operations (created_position)
        WHERE status = 'running'
    """)
    # No log holds an event of a bulk operation yet, so the table is complete.
    op.execute("INSERT INTO projection_versions (name, version) VALUES ('bulk_operations', 1)")


def downgrade() -> None:
    op.execute("DELETE FROM projection_versions WHERE name = 'bulk_operations'")
    op.execute("DROP TABLE bulk_operations")
