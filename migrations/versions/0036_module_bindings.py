"""Which module of the platform a job belongs to."""

from alembic import op

revision = "0036"
down_revision = "0035"

_LIVE_JOBS = """
    CREATE OR REPLACE VIEW live_job_definitions AS
    SELECT id, slug, name, version, type, runtime, entry_point, parameters_schema, default_parameters, output_schema,
        timeout_ms, retry_policy, metadata, priority, max_concurrent_runs, concurrency_key, concurrency_limit,
        rate_limit, fairness_key, unique_runs, start_deadline_ms, resources, worker_labels, retention, isolation,
        paused, created_at, updated_at{more}
    FROM job_definitions WHERE deleted_at IS NULL
"""


def upgrade() -> None:
    # No job has been bound to a module until now, so rows are right as they are.
    op.execute("ALTER TABLE job_definitions ADD COLUMN module_binding jsonb")
    op.execute("""
        CREATE INDEX job_definitions_modules ON job_definitions ((module_binding ->> 'moduleId'))
        WHERE module_binding IS NOT NULL
    """)
    op.execute(_LIVE_JOBS.format(more=", module_binding"))  # A view's new columns stand last.
    op.execute("UPDATE projection_versions SET version = 12 WHERE name = 'job_definitions' AND version = 11")


def downgrade() -> None:
    op.execute("UPDATE projection_versions SET version = 11 WHERE name = 'job_definitions' AND version = 12")
    op.execute("DROP VIEW live_job_definitions")
    op.execute(_LIVE_JOBS.format(more=""))
    op.execute("DROP INDEX job_definitions_modules")
    op.execute("ALTER TABLE job_definitions DROP COLUMN module_binding")
