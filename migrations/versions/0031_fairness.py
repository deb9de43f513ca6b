"""By which parameter runs of a job take turns, and who had the last one."""

from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    op.execute("ALTER TABLE job_definitions ADD COLUMN fairness_key text")
    # Turns go round in the bytes' order, whatever the database's own is.
    op.execute('ALTER TABLE job_runs ADD COLUMN fair_value text COLLATE "C", ADD COLUMN last_turn bigint')
    op.execute(
        "CREATE INDEX job_runs_pending_by_turn ON job_runs"
        " (job_definition_id, entry_point, priority, fair_value, scheduled_at, id)"
        " WHERE status = 'pending' AND fair_value IS NOT NULL"
    )
    op.execute(
        "CREATE INDEX job_runs_last_turn ON job_runs (job_definition_id, entry_point, priority, last_turn)"
        " WHERE last_turn IS NOT NULL"
    )
    # No log holds such a job yet, so what rows say is all that there is to say.
    op.execute("UPDATE projection_versions SET version = 10 WHERE name = 'job_definitions' AND version = 9")
    op.execute("UPDATE projection_versions SET version = 7 WHERE name = 'job_runs' AND version = 6")


def downgrade() -> None:
    op.execute("UPDATE projection_versions SET version = 6 WHERE name = 'job_runs' AND version = 7")
    op.execute("UPDATE projection_versions SET version = 9 WHERE name = 'job_definitions' AND version = 10")
    op.execute("ALTER TABLE job_runs DROP COLUMN fair_value, DROP COLUMN last_turn")
    op.execute("ALTER TABLE job_definitions DROP COLUMN fairness_key")
