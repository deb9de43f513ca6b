"""Lists of jobs go on after a slug, however many jobs there are."""

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.execute('CREATE INDEX job_definitions_listed ON job_definitions (slug COLLATE "C")')


def downgrade() -> None:
    op.execute("DROP INDEX job_definitions_listed")
