"""Seals: signed Merkle heads over the log, append-only like it."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE log_seals (
            number bigint PRIMARY KEY,
            size bigint NOT NULL,
            position bigint NOT NULL,
            head text NOT NULL,
            signature bytea NOT NULL,
            runs bigint[] NOT NULL,
            leaves bytea NOT NULL,
            peaks bytea NOT NULL
        )
    """)
    # Hashes do not compress; do not try.
    for column in ("signature", "leaves", "peaks"):
        op.execute(f"ALTER TABLE log_seals ALTER COLUMN {column} SET STORAGE EXTERNAL")
    op.execute("CREATE UNIQUE INDEX log_seals_position_idx ON log_seals (position)")
    op.execute("""
        CREATE FUNCTION log_seals_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'seals are append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
        END $$
    """)
    op.execute("""
        CREATE TRIGGER log_seals_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON log_seals
        FOR EACH STATEMENT EXECUTE FUNCTION log_seals_refuse()
    """)


def downgrade() -> None:
    op.execute("DROP TABLE log_seals")
    op.execute("DROP FUNCTION log_seals_refuse()")
