"""Failure groups, and up to where the log was searched for failures."""

from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE failure_groups (
            aggregate_id uuid PRIMARY KEY,
            fingerprint text NOT NULL,
            title text NOT NULL,
            job text NOT NULL,
            reason text NOT NULL,
            frame text,
            status text NOT NULL,
            count bigint NOT NULL,
            recovered bigint NOT NULL,
            first_at timestamptz NOT NULL,
            last_at timestamptz NOT NULL,
            affected_versions jsonb NOT NULL,
            sample_run uuid NOT NULL,
            changed_by text,
            resolved_at timestamptz,
            resolved_in_version integer,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            aggregate_version bigint NOT NULL,
            position bigint NOT NULL,
            state1_version bigint
        )
    """)
    # Lists: what failed last stands first.
    op.execute("""
        CREATE INDEX failure_groups_listed
        ON failure_groups (status, last_at DESC, fingerprint COLLATE "C" DESC)
    """)
    op.execute("""
        CREATE TABLE failure_watches (
            aggregate_id uuid PRIMARY KEY,
            searched_until bigint NOT NULL,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            aggregate_version bigint NOT NULL,
            position bigint NOT NULL,
            state1_version bigint
        )
    """)
    # Who is a retry of whom. A run's launch never changes, so its updates stay as cheap as before.
    op.execute("""
        CREATE INDEX job_runs_retries ON job_runs ((launch_context->>'retryOf'))
        WHERE launch_context->>'retryOf' IS NOT NULL
    """)
    # No log holds an event of these yet, so the tables are complete.
    op.execute("""
        INSERT INTO projection_versions (name, version)
        VALUES ('failure_groups', 1), ('failure_watches', 1)
    """)


def downgrade() -> None:
    op.execute("""
        DELETE FROM projection_versions WHERE name IN ('failure_groups', 'failure_watches')
    """)
    op.execute("DROP INDEX job_runs_retries")
    op.execute("DROP TABLE failure_watches")
    op.execute("DROP TABLE failure_groups")
