"""The read models: definitions, runs, repositories."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE job_definitions (
            id uuid PRIMARY KEY,
            slug text NOT NULL UNIQUE,
            name text NOT NULL,
            version integer NOT NULL,
            type text NOT NULL,
            entry_point text NOT NULL,
            parameters_schema jsonb NOT NULL,
            default_parameters jsonb NOT NULL,
            timeout_ms integer,
            retry_policy jsonb,
            metadata jsonb,
            runtime text NOT NULL,
            output_schema jsonb,
            priority integer NOT NULL,
            max_concurrent_runs integer,
            concurrency_key text,
            start_deadline_ms bigint,
            resources jsonb,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            aggregate_version bigint NOT NULL,
            position bigint NOT NULL
        )
    """)
    op.execute("CREATE UNIQUE INDEX job_definitions_slug_ignoring_case ON job_definitions (lower(slug))")
    op.execute("""
        CREATE TABLE job_runs (
            id uuid PRIMARY KEY,
            job_definition_id uuid NOT NULL,
            slug text NOT NULL,
            definition_version integer NOT NULL,
            entry_point text NOT NULL,
            status text NOT NULL
                CHECK (status IN ('pending', 'running', 'succeeded', 'failed', 'canceled', 'expired')),
            parameters jsonb NOT NULL,
            result jsonb,
            error_message text,
            failure_reason text,
            logs_url text,
            metrics jsonb,
            context jsonb,
            timeout_ms integer,
            attempt integer NOT NULL,
            max_attempts integer NOT NULL,
            execution integer NOT NULL,
            worker_id text,
            duration_ms bigint,
            priority integer NOT NULL,
            concurrency_value text,
            scheduled_at timestamptz NOT NULL,
            start_deadline_at timestamptz,
            started_at timestamptz,
            completed_at timestamptz,
            cancel_requested_at timestamptz,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            idempotency_key text,
            requested_by text NOT NULL,
            created_position bigint NOT NULL,
            completed_position bigint,
            aggregate_version bigint NOT NULL,
            position bigint NOT NULL
        ) WITH (
            -- Rows are updated a few times each, soon after they are written: leave room beside them.
            fillfactor = 85,
            autovacuum_vacuum_scale_factor = 0.02,
            autovacuum_analyze_scale_factor = 0.02
        )
    """)
    op.execute("CREATE INDEX job_runs_newest ON job_runs (created_position DESC)")
    op.execute("CREATE INDEX job_runs_by_status ON job_runs (status, created_position DESC)")
    op.execute("CREATE INDEX job_runs_by_definition ON job_runs (job_definition_id, created_position DESC)")
    op.execute(
        "CREATE INDEX job_runs_by_definition_and_status ON job_runs (job_definition_id, status, created_position DESC)"
    )
    op.execute("CREATE INDEX job_runs_due ON job_runs (priority DESC, scheduled_at, id) WHERE status = 'pending'")
    op.execute("CREATE INDEX job_runs_next ON job_runs (scheduled_at) WHERE status = 'pending'")
    op.execute(
        "CREATE INDEX job_runs_start_deadline ON job_runs (start_deadline_at)"
        " WHERE status = 'pending' AND execution = 0"
    )
    op.execute("CREATE INDEX job_runs_held ON job_runs (worker_id) WHERE status = 'running'")
    op.execute(
        "CREATE INDEX job_runs_running ON job_runs (job_definition_id, concurrency_value) WHERE status = 'running'"
    )
    op.execute("""
        CREATE TABLE repositories (
            aggregate_id uuid PRIMARY KEY,
            id text NOT NULL UNIQUE,
            name text NOT NULL,
            description text NOT NULL,
            repo_url text NOT NULL,
            dockerfile_path text NOT NULL,
            tags jsonb NOT NULL,
            ingest_status text NOT NULL
                CHECK (ingest_status IN ('seed', 'pending', 'processing', 'ready', 'failed')),
            ingest_error text,
            ingest_attempts integer NOT NULL,
            commit_sha text,
            preview_tiles jsonb NOT NULL,
            launch_env_templates jsonb NOT NULL,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            aggregate_version bigint NOT NULL,
            position bigint NOT NULL
        )
    """)


def downgrade() -> None:
    op.execute("DROP TABLE repositories")
    op.execute("DROP TABLE job_runs")
    op.execute("DROP TABLE job_definitions")
