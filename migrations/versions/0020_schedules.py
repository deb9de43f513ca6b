"""Schedules: when jobs run by themselves, and where each of them stands."""

from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE schedules (
            aggregate_id uuid PRIMARY KEY,
            id text NOT NULL,
            version integer NOT NULL,
            job text NOT NULL,
            parameters jsonb NOT NULL,
            cron text,
            every_ms bigint,
            time_zone text NOT NULL,
            exclude jsonb NOT NULL,
            overlap text NOT NULL,
            catch_up_ms bigint NOT NULL,
            jitter_ms bigint NOT NULL,
            start_at timestamptz,
            end_at timestamptz,
            pause_on_failure boolean NOT NULL,
            paused jsonb,
            next_at timestamptz,
            last_tick jsonb,
            open_runs jsonb NOT NULL,
            buffered jsonb NOT NULL,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            deleted_at timestamptz,
            decided_until timestamptz NOT NULL,
            aggregate_version bigint NOT NULL,
            position bigint NOT NULL,
            state1_version bigint
        )
    """)
    # Whom to look at next, and lists.
    op.execute("CREATE INDEX schedules_next ON schedules (next_at) WHERE next_at IS NOT NULL")
    op.execute('CREATE INDEX schedules_listed ON schedules (id COLLATE "C") WHERE deleted_at IS NULL')
    # Whose ticks hang on the end of a run.
    op.execute("""
        CREATE INDEX schedules_awaiting ON schedules (updated_at)
        WHERE deleted_at IS NULL AND open_runs <> '[]'
            AND (pause_on_failure OR (paused IS NULL AND buffered <> '[]'))
    """)
    # No log holds an event of a schedule yet, so the table is complete.
    op.execute("INSERT INTO projection_versions (name, version) VALUES ('schedules', 1)")


def downgrade() -> None:
    op.execute("DELETE FROM projection_versions WHERE name = 'schedules'")
    op.execute("DROP TABLE schedules")
