"""Applies migrations: to the newest version at start, or anywhere for operators and tests."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING

import psycopg
from psycopg import errors

if TYPE_CHECKING:
    from sqlalchemy import Connection

logger = logging.getLogger(__name__)

HEAD = "0045"
"""The version that this code expects. A test compares it with the newest migration."""

MIGRATION_LOCK = 2_411_950_384_221_077_354
"""Key of the advisory lock that lets one process migrate at a time; the others wait and then find
it done."""


LOCK_TIMEOUT_MS = 1_000
"""Longest wait for a table that others use: later statements on it wait behind the migration."""

PAUSE_S = 2.0
"""Between two tries: statements that waited behind the migration come first."""

PATIENCE_S = 600.0
"""How long to go on trying."""


FIRST_WITH_KEYS = "0010"
"""The first version that has a table of subjects' keys, without which their data are lost."""


class SchemaError(Exception):
    """The database's schema is not what this code can work with; the message says what to do."""


def current(url: str) -> str | None:
    """Return the database's schema version, None for an empty database."""
    with psycopg.connect(url, autocommit=True) as connection:
        return _current(connection)


def upgrade(url: str, target: str = HEAD) -> None:
    """Bring the schema up to the target, in one transaction, if it is not there already.

    Raises:
        SchemaError: the database is newer than this code, or others keep its tables locked.
    """
    if current(url) == target:
        return
    _run(url, "upgrade", target)


def downgrade(url: str, target: str) -> None:
    """Take the schema down to the target; `base` removes everything, the log included.

    Raises:
        SchemaError: the log would stay, but the keys of the personal data in it would not.
    """
    _run(url, "downgrade", target)


@contextmanager
def locked(url: str) -> "Iterator[Connection]":
    """Connect, and let no other process migrate meanwhile."""
    # Alembic and SQLAlchemy take half a second to import, which only migrations need.
    from sqlalchemy import create_engine, text  # noqa: PLC0415
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415

    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url))
    try:
        with engine.connect() as connection:
            # For the whole session: two processes that start at once must not both migrate.
            connection.execute(text(f"SELECT pg_advisory_lock({MIGRATION_LOCK})"))
            connection.commit()
            yield connection
    except DBAPIError as error:
        if isinstance(error.orig, psycopg.Error):
            raise error.orig from None
        raise
    finally:
        engine.dispose()


def _run(url: str, direction: str, target: str) -> None:
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from sqlalchemy.exc import ProgrammingError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with locked(url) as connection:
        before = _current_by(connection.connection.driver_connection)
        if direction == "upgrade" and before is not None and before > HEAD:
            msg = (
                f"the database's schema is {before}, newer than this version's {HEAD};"
                " run a newer version"
            )
            raise SchemaError(msg)
        config.attributes["connection"] = connection
        commands = {"upgrade": command.upgrade, "downgrade": command.downgrade}

        def migrate() -> None:
            if direction == "downgrade":
                refuse_to_lose_keys(connection, target)
            commands[direction](config, target)

        try:
            _patiently(connection, migrate)
        except ProgrammingError as error:
            if not isinstance(error.orig, errors.InsufficientPrivilege):
                raise
            msg = (
                f"the database's schema is {before or 'empty'}, this version needs {target},"
                f" and this role may not change it ({error.orig}):"
                " run `apphub-jobs migrate` as the role that owns the database"
            )
            raise SchemaError(msg) from None
        logger.info("schema: %s -> %s", before or "empty", target)


def _patiently(connection: "Connection", migrate: Callable[[], None]) -> None:
    """Migrate and commit; where others lock a table for long, roll back and try again."""
    from sqlalchemy import text  # noqa: PLC0415
    from sqlalchemy.exc import OperationalError  # noqa: PLC0415

    connection.execute(text(f"SET lock_timeout = {LOCK_TIMEOUT_MS}"))
    connection.commit()
    deadline = monotonic() + PATIENCE_S
    while True:
        try:
            migrate()
            connection.commit()
        except OperationalError as error:
            connection.rollback()
            if not isinstance(error.orig, errors.LockNotAvailable | errors.DeadlockDetected):
                raise
            if monotonic() > deadline:
                msg = (
                    f"the database cannot be migrated, for others use its tables: {error.orig};"
                    " end what reads or writes there for so long, and start again"
                )
                raise SchemaError(msg) from None
            logger.warning("the migration waits for others: %s", error.orig)
            sleep(PAUSE_S)
        else:
            return


def refuse_to_lose_keys(on: "Connection", target: str) -> None:
    """Refuse a downgrade that would leave the log, but not the keys of personal data in it.

    Raises:
        SchemaError: it would.
    """
    connection = on.connection.driver_connection
    is_below = target < FIRST_WITH_KEYS and target != "base"
    if not is_below or not isinstance(connection, psycopg.Connection):
        return
    exists = connection.execute("SELECT to_regclass('subject_keys')").fetchone()
    if exists is None or exists[0] is None:
        return
    row = connection.execute("SELECT count(*) FROM subject_keys").fetchone()
    if row is None or row[0] == 0:
        return
    raise SchemaError(
        f"below {FIRST_WITH_KEYS} there is no place for the keys of {row[0]} subjects: without them"
        " their personal data in the log could never be read again."
        f" Stay at {FIRST_WITH_KEYS} or above; or, if those data may be lost,"
        " first erase each subject: apphub-jobs subjects erase"
    )


def _current_by(connection: object) -> str | None:
    if not isinstance(connection, psycopg.Connection):
        msg = "SQLAlchemy does not hand out a psycopg connection"
        raise TypeError(msg)
    return _current(connection)


def _current(connection: "psycopg.Connection[tuple[object, ...]]") -> str | None:
    exists = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
    if exists is None or exists[0] is None:
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])
