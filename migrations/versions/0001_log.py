"""The log: append-only, ordered by commit, named."""

from alembic import op

revision = "0001"
down_revision = None

APPEND_LOCK = 7_203_118_305_110_542_671
"""As in `eventlog.database.sql`; a migration never changes, so it keeps its own copy. A test compares the two."""


def upgrade() -> None:
    op.execute("""
        CREATE TABLE jobs_events (
            originator_id uuid NOT NULL,
            originator_version bigint NOT NULL,
            topic text NOT NULL,
            state bytea NOT NULL,
            notification_id bigserial NOT NULL,
            recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            actor text,
            correlation_id uuid,
            causation_id uuid,
            PRIMARY KEY (originator_id, originator_version)
        ) WITH (
            -- Only ever appended to: nothing dies here, so vacuum for the visibility map and freezing alone.
            autovacuum_vacuum_insert_scale_factor = 0.05,
            autovacuum_analyze_scale_factor = 0.02,
            fillfactor = 100
        )
    """)
    op.execute("CREATE UNIQUE INDEX jobs_events_notification_id_idx ON jobs_events (notification_id)")
    op.execute(f"""
        CREATE FUNCTION jobs_events_order() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            -- Positions are drawn after this, so commits appear in their order, whoever inserts.
            PERFORM pg_advisory_xact_lock({APPEND_LOCK});
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER jobs_events_order BEFORE INSERT ON jobs_events
        FOR EACH STATEMENT EXECUTE FUNCTION jobs_events_order()
    """)
    op.execute("""
        CREATE FUNCTION jobs_events_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'the log is append-only: % is refused', TG_OP
                USING ERRCODE = 'insufficient_privilege',
                      HINT = 'Correct a wrong event by appending another one.';
        END $$
    """)
    op.execute("""
        CREATE TRIGGER jobs_events_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON jobs_events
        FOR EACH STATEMENT EXECUTE FUNCTION jobs_events_refuse()
    """)
    op.execute("""
        CREATE TABLE log_identity (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            only_one boolean NOT NULL DEFAULT true UNIQUE CHECK (only_one)
        )
    """)
    op.execute("INSERT INTO log_identity DEFAULT VALUES")


def downgrade() -> None:
    op.execute("DROP TABLE log_identity")
    op.execute("DROP TABLE jobs_events")
    op.execute("DROP FUNCTION jobs_events_refuse()")
    op.execute("DROP FUNCTION jobs_events_order()")
