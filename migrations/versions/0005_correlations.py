"""An index by which all that one request set in motion is found.

Only the first events of aggregates are in it: the others of the same aggregate lie beside them in the primary key, and
an append pays for one entry an aggregate instead of one an event.
"""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute(
        "CREATE INDEX jobs_events_by_correlation ON jobs_events (correlation_id, originator_id)"
        " WHERE originator_version = 1"
    )


def downgrade() -> None:
    op.execute("DROP INDEX jobs_events_by_correlation")
