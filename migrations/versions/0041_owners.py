"""Who keeps a job or a schedule in files."""

from alembic import op

revision = "0041"
down_revision = "0040"

_LIVE_JOBS = """
    CREATE OR REPLACE VIEW live_job_definitions AS
    SELECT id, slug, name, version, type, runtime, entry_point, parameters_schema, default_parameters, output_schema,
        timeout_ms, retry_policy, metadata, priority, max_concurrent_runs, concurrency_key, concurrency_limit,
        rate_limit, fairness_key, unique_runs, start_deadline_ms, resources, worker_labels, retention, isolation,
        paused, created_at, updated_at, module_binding{more}
    FROM job_definitions WHERE deleted_at IS NULL
"""

_VERSIONS = {"job_definitions": 13, "schedules": 3}


def upgrade() -> None:
    # Nothing has had an owner until now, so rows are right as they are.
    for table in _VERSIONS:
        op.execute(f"ALTER TABLE {table} ADD COLUMN owner text")
    op.execute(_LIVE_JOBS.format(more=", owner"))  # A view's new columns stand last.
    for table, version in _VERSIONS.items():
        _set_version(table, version - 1, version)


def downgrade() -> None:
    for table, version in _VERSIONS.items():
        _set_version(table, version, version - 1)
    op.execute("DROP VIEW live_job_definitions")
    op.execute(_LIVE_JOBS.format(more=""))
    for table in _VERSIONS:
        op.execute(f"ALTER TABLE {table} DROP COLUMN owner")


def _set_version(table: str, old: int, new: int) -> None:
    op.execute(f"UPDATE projection_versions SET version = {new} WHERE name = '{table}' AND version = {old}")
