"""The read model of builds."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE builds (
            id uuid PRIMARY KEY,
            repository_id text NOT NULL,
            job_run_id uuid,
            status text NOT NULL CHECK (status IN ('pending', 'running', 'succeeded', 'failed', 'canceled')),
            image_tag text,
            image_digest text,
            error_message text,
            commit_sha text,
            git_branch text,
            git_ref text,
            retry_of uuid,
            attempt integer NOT NULL,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            started_at timestamptz,
            completed_at timestamptz,
            duration_ms bigint,
            created_position bigint NOT NULL,
            aggregate_version bigint NOT NULL,
            position bigint NOT NULL
        )
    """)
    op.execute("CREATE INDEX builds_newest_by_repository ON builds (repository_id, created_position DESC)")


def downgrade() -> None:
    op.execute("DROP TABLE builds")
