"""What commands need of a run, a job, an app or a build in order to decide, in its row.

Rows that an older version has written lack it, and say so by a `state1_version` that is not their
`aggregate_version`: until a rebuild their histories are read instead, as before. To fill them here would
keep everybody waiting for as long as it takes.
"""

from alembic import op

revision = "0016"
down_revision = "0015"

VERSIONS = {"job_definitions": 2, "job_runs": 3, "repositories": 4, "builds": 2}
"""Of the folds that fill the columns."""


def upgrade() -> None:
    op.execute(
        "ALTER TABLE job_runs ADD launch_context jsonb, ADD retry_policy jsonb,"
        " ADD request_digest text, ADD cancel_reason text"
    )
    op.execute(
        "ALTER TABLE repositories ADD author_tags jsonb, ADD ingest_run_id uuid, ADD ingest_commit_sha text"
    )
    for table, version in VERSIONS.items():
        op.execute(f"ALTER TABLE {table} ADD state1_version bigint")
        # What is empty is complete.
        op.execute(
            f"UPDATE projection_versions SET version = {version} WHERE name = '{table}'"
            f" AND version = {version - 1} AND NOT EXISTS (SELECT 1 FROM {table})"
        )


def downgrade() -> None:
    for table, version in VERSIONS.items():
        op.execute(f"ALTER TABLE {table} DROP state1_version")
        op.execute(
            f"UPDATE projection_versions SET version = {version - 1} WHERE name = '{table}'"
            f" AND version = {version}"
        )
    op.execute("ALTER TABLE repositories DROP author_tags, DROP ingest_run_id, DROP ingest_commit_sha")
    op.execute(
        "ALTER TABLE job_runs DROP launch_context, DROP retry_policy,"
        " DROP request_digest, DROP cancel_reason"
    )
