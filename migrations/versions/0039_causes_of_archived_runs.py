"""What led to the first event of an archived run: by this the service tells its own retries from a client's words.

Runs that were archived before have none, and are believed.
"""

from alembic import op

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    op.execute("ALTER TABLE archived_runs ADD COLUMN first_causation_id uuid")


def downgrade() -> None:
    op.execute("ALTER TABLE archived_runs DROP COLUMN first_causation_id")
