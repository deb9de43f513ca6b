"""Worker heartbeats."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE workers (
            id text PRIMARY KEY,
            host text NOT NULL,
            pid integer NOT NULL,
            slots integer NOT NULL,
            lease_ms integer NOT NULL,
            sequence bigint NOT NULL DEFAULT 0,
            started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            beat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            dead_at timestamptz
        ) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)
    """)
    op.execute("CREATE INDEX workers_living ON workers (id) WHERE dead_at IS NULL")


def downgrade() -> None:
    op.execute("DROP TABLE workers")
