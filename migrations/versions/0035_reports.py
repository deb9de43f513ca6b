"""For SQL reports: indexes that serve what any client asks, and the jobs without those that were deleted.

What workers ask has indexes of its own. A run enters the indexes by status in each status that it has. While an old snapshot is held, the entries of all runs
that ever waited or ran since then stay, and PostgreSQL, which believes that few do, would take these indexes for what
waits and what runs, and walk over all of them at each claim. So one of the two has to differ by its collation: it is
what workers ask, for nobody else has to know.

Reports ask by `created_at`, too, which no index knew. The rows of deleted jobs stay, for the sake of their runs.
"""

from alembic import op

revision = "0035"
down_revision = "0034"

_OF_WORKERS = {
    "job_runs_due": ("priority DESC, scheduled_at, id", "{status} = 'pending'"),
    "job_runs_waiting": (
        "job_definition_id, ((concurrency_value IS NOT NULL)::int), priority DESC, scheduled_at, id",
        "{status} = 'pending'",
    ),
    "job_runs_waiting_by_key": (
        "job_definition_id, concurrency_value, priority DESC, scheduled_at, id",
        "{status} = 'pending' AND concurrency_value IS NOT NULL",
    ),
    "job_runs_pending_by_rate": (
        "job_definition_id, rate_value, priority DESC, scheduled_at, id",
        "{status} = 'pending' AND rate_value IS NOT NULL",
    ),
    "job_runs_pending_by_turn": (
        "job_definition_id, entry_point, priority, fair_value, scheduled_at, id",
        "{status} = 'pending' AND fair_value IS NOT NULL",
    ),
    "job_runs_start_deadline": (
        "start_deadline_at",
        "{status} = 'pending' AND execution = 0 AND start_deadline_at IS NOT NULL",
    ),
    "job_runs_held": ("worker_id", "{status} = 'running'"),
    "job_runs_to_cancel": ("worker_id", "{status} = 'running' AND cancel_requested_at IS NOT NULL"),
    "job_runs_unique": (
        "job_definition_id, unique_value",
        "unique_value IS NOT NULL AND {status} IN ('pending', 'running')",
    ),
}

_BY_STATUS = {
    "job_runs_by_status": "{status}, created_position DESC",
    "job_runs_by_definition_and_status": "job_definition_id, {status}, created_position DESC",
}

_LIVE_JOBS = """
    CREATE VIEW live_job_definitions AS
    SELECT id, slug, name, version, type, runtime, entry_point, parameters_schema, default_parameters, output_schema,
        timeout_ms, retry_policy, metadata, priority, max_concurrent_runs, concurrency_key, concurrency_limit,
        rate_limit, fairness_key, unique_runs, start_deadline_ms, resources, worker_labels, retention, isolation,
        paused, created_at, updated_at
    FROM job_definitions WHERE deleted_at IS NULL
"""

_AS_IT_IS = "status"
_BY_COLLATION = 'status COLLATE "C"'


def upgrade() -> None:
    _make_anew(of_workers=_BY_COLLATION, by_status=_AS_IT_IS)
    op.execute("CREATE INDEX job_runs_created ON job_runs (created_at)")
    op.execute(_LIVE_JOBS)


def downgrade() -> None:
    op.execute("DROP VIEW live_job_definitions")
    op.execute("DROP INDEX job_runs_created")
    _make_anew(of_workers=_AS_IT_IS, by_status=_BY_COLLATION)


def _make_anew(*, of_workers: str, by_status: str) -> None:
    for name, (columns, condition) in _OF_WORKERS.items():
        op.execute(f"DROP INDEX {name}")
        op.execute(f"CREATE INDEX {name} ON job_runs ({columns}) WHERE {condition.format(status=of_workers)}")
    for name, columns in _BY_STATUS.items():
        op.execute(f"DROP INDEX {name}")
        op.execute(f"CREATE INDEX {name} ON job_runs ({columns.format(status=by_status)})")
