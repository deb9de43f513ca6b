"""Archives: which events lie in which file, and the one role that may take them out of the log.

The role itself belongs to the whole server, so no migration makes or removes it: the trigger only compares its name.
"""

from alembic import op
from sqlalchemy import text

from migrations.runner import SchemaError

revision = "0009"
down_revision = "0008"

ROLE = "apphub_jobs_archivist"
"""As in `eventlog.archive.role`; a migration never changes, so it keeps its own copy. A test compares the two."""

TABLES = ("log_archives", "archived_blocks", "archived_runs")


def upgrade() -> None:
    _tables()
    _append_only()
    _removal()
    _uniqueness()


def _tables() -> None:
    op.execute("""
        CREATE TABLE log_archives (
            number bigint PRIMARY KEY,
            id uuid NOT NULL UNIQUE,
            file text NOT NULL UNIQUE,
            bytes bigint NOT NULL,
            sha256 text NOT NULL,
            events bigint NOT NULL,
            runs bigint NOT NULL,
            first_position bigint NOT NULL,
            last_position bigint NOT NULL
        )
    """)
    op.execute("CREATE INDEX log_archives_last ON log_archives (last_position)")
    op.execute("""
        CREATE TABLE archived_blocks (
            archive bigint NOT NULL,
            first_position bigint NOT NULL,
            last_position bigint NOT NULL,
            place bigint NOT NULL,
            length bigint NOT NULL,
            sha256 bytea NOT NULL,
            PRIMARY KEY (archive, first_position)
        )
    """)
    op.execute("CREATE UNIQUE INDEX archived_blocks_first ON archived_blocks (first_position)")
    op.execute("CREATE INDEX archived_blocks_last ON archived_blocks (last_position)")
    op.execute("""
        CREATE INDEX archived_blocks_span ON archived_blocks
        USING gist (int8range(first_position, last_position, '[]'))
    """)
    op.execute("""
        CREATE TABLE archived_runs (
            id uuid PRIMARY KEY,
            archive bigint NOT NULL,
            head_version bigint NOT NULL,
            first_position bigint NOT NULL,
            last_position bigint NOT NULL,
            positions bigint[] NOT NULL,
            first_correlation_id uuid,
            head_correlation_id uuid
        )
    """)
    op.execute("CREATE INDEX archived_runs_by_correlation ON archived_runs (first_correlation_id)")
    op.execute("""
        CREATE INDEX archived_runs_span ON archived_runs USING gist (int8range(first_position, last_position, '[]'))
    """)


def _append_only() -> None:
    op.execute("""
        CREATE FUNCTION log_archives_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'the index of archives is append-only: % is refused', TG_OP
                USING ERRCODE = 'insufficient_privilege';
        END $$
    """)
    for table in TABLES:
        op.execute(f"""
            CREATE TRIGGER {table}_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION log_archives_refuse()
        """)


def _removal() -> None:
    # The current user's name, not membership: a superuser is a member of every role, and must not pass by accident.
    op.execute(f"""
        CREATE OR REPLACE FUNCTION jobs_events_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'DELETE' AND current_user = '{ROLE}' THEN
                RETURN NULL;
            END IF;
            RAISE EXCEPTION 'the log is append-only: % is refused', TG_OP
                USING ERRCODE = 'insufficient_privilege',
                      HINT = 'Correct a wrong event by appending another one.';
        END $$
    """)
    # What leaves the log must be exactly what the index says of these runs: all of each, and nothing else.
    op.execute("""
        CREATE FUNCTION jobs_events_removed() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF EXISTS (
                WITH archived AS (
                    SELECT run.id, event.version, event.position
                    FROM (SELECT DISTINCT originator_id AS id FROM removed) AS touched
                    JOIN archived_runs AS run USING (id),
                    unnest(run.positions) WITH ORDINALITY AS event (position, version)
                ), gone AS (
                    SELECT originator_id, originator_version, notification_id FROM removed
                )
                (TABLE gone EXCEPT TABLE archived) UNION ALL (TABLE archived EXCEPT TABLE gone)
            ) THEN
                RAISE EXCEPTION 'only whole histories that are archived may leave the log'
                    USING ERRCODE = 'insufficient_privilege';
            END IF;
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER jobs_events_removed AFTER DELETE ON jobs_events REFERENCING OLD TABLE AS removed
        FOR EACH STATEMENT EXECUTE FUNCTION jobs_events_removed()
    """)


def _uniqueness() -> None:
    # The primary key knows nothing of what has left the table. The isolation level first: a transaction that looks at
    # an older snapshot cannot see what was archived while it waited for the append lock.
    op.execute("""
        CREATE FUNCTION jobs_events_unique() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            archived_to bigint;
            taken text;
        BEGIN
            IF current_setting('transaction_isolation') <> 'read committed' THEN
                RAISE EXCEPTION 'events are appended in READ COMMITTED only'
                    USING ERRCODE = 'invalid_transaction_state',
                          HINT = 'A transaction with a snapshot of its own cannot see what has been archived since.';
            END IF;
            SELECT max(last_position) INTO archived_to FROM log_archives;
            IF archived_to IS NULL THEN
                RETURN NULL;
            END IF;
            SELECT format('version %s of %s', originator_version, originator_id) INTO taken
            FROM added JOIN archived_runs AS run ON run.id = originator_id LIMIT 1;
            IF taken IS NOT NULL THEN
                RAISE EXCEPTION '% cannot be appended: this run is archived', taken USING ERRCODE = 'unique_violation';
            END IF;
            IF EXISTS (SELECT FROM added WHERE notification_id <= archived_to) THEN
                RAISE EXCEPTION 'positions up to % have been given to other events', archived_to
                    USING ERRCODE = 'unique_violation';
            END IF;
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER jobs_events_unique AFTER INSERT ON jobs_events REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION jobs_events_unique()
    """)

    # Whoever archives calls this once it has the append lock: until then another session could still append to a run
    # whose entry in the index it could not see.
    op.execute("""
        CREATE FUNCTION log_archives_check(since bigint) RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
            IF EXISTS (
                SELECT FROM jobs_events JOIN archived_runs AS run ON run.id = originator_id
                WHERE notification_id > since
            ) THEN
                RAISE EXCEPTION 'a run that was being archived has been appended to'
                    USING ERRCODE = 'serialization_failure';
            END IF;
        END $$
    """)


def downgrade() -> None:
    archived = op.get_bind().execute(text("SELECT coalesce(sum(events), 0) FROM log_archives")).scalar_one()
    if archived:
        msg = (
            f"the schema stays as it is: {archived} events of the log lie in archive files, and an older version"
            " would take them for lost. To go back, restore a backup from before the first archive."
        )
        raise SchemaError(msg)
    for name in ("unique", "removed"):
        op.execute(f"DROP TRIGGER jobs_events_{name} ON jobs_events")
        op.execute(f"DROP FUNCTION jobs_events_{name}()")
    op.execute("""
        CREATE OR REPLACE FUNCTION jobs_events_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'the log is append-only: % is refused', TG_OP
                USING ERRCODE = 'insufficient_privilege',
                      HINT = 'Correct a wrong event by appending another one.';
        END $$
    """)
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP FUNCTION log_archives_refuse()")
    op.execute("DROP FUNCTION log_archives_check(bigint)")
    op.execute(f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}') THEN
                REVOKE ALL ON jobs_events FROM {ROLE};
            END IF;
        END $$
    """)
