"""Checkpoints of time travel: which runs were pending and running at some positions of the log, and how many had ended.

One row for each job at each checkpoint. A run is named by its `created_position`: half as long as its id, and in the
order of lists, so that the sorted arrays compress to about three bytes a run.
"""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE run_checkpoints (
            position bigint NOT NULL,
            job_definition_id uuid NOT NULL,
            pending bigint[] NOT NULL,
            running bigint[] NOT NULL,
            succeeded bigint NOT NULL,
            failed bigint NOT NULL,
            canceled bigint NOT NULL,
            expired bigint NOT NULL,
            PRIMARY KEY (position, job_definition_id)
        )
    """)


def downgrade() -> None:
    op.execute("DROP TABLE run_checkpoints")
