"""Subjects: the keys of their personal data, which rows hold such data, and which keys were destroyed."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE subject_keys (
            key_id uuid PRIMARY KEY,
            lookup bytea NOT NULL UNIQUE,
            wrapped bytea NOT NULL,
            master text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )
    """)
    op.execute("CREATE INDEX subject_keys_master ON subject_keys (master)")
    op.execute("""
        CREATE TABLE subject_master (
            id text NOT NULL,
            only_one boolean NOT NULL DEFAULT true UNIQUE CHECK (only_one)
        )
    """)
    op.execute("""
        CREATE TABLE erased_subjects (
            key_id uuid PRIMARY KEY,
            reason text,
            runs bigint NOT NULL,
            erased_at timestamptz NOT NULL,
            aggregate_version bigint NOT NULL,
            position bigint NOT NULL
        )
    """)
    op.execute("ALTER TABLE job_runs ADD COLUMN personal jsonb")
    # What stands in the two tables is what today's folds make of it: no event until now had personal data.
    op.execute("UPDATE projection_versions SET version = 2 WHERE name = 'job_runs' AND version = 1")
    op.execute("INSERT INTO projection_versions (name, version) VALUES ('erased_subjects', 1)")
    # Rows without personal data are no part of it, so they cost nothing.
    op.execute("CREATE INDEX job_runs_personal ON job_runs USING gin (personal) WHERE personal IS NOT NULL")


def downgrade() -> None:
    op.execute("DELETE FROM projection_versions WHERE name = 'erased_subjects'")
    op.execute("UPDATE projection_versions SET version = 1 WHERE name = 'job_runs' AND version = 2")
    op.execute("DROP INDEX job_runs_personal")
    op.execute("ALTER TABLE job_runs DROP COLUMN personal")
    op.execute("DROP TABLE erased_subjects")
    op.execute("DROP TABLE subject_master")
    op.execute("DROP TABLE subject_keys")
