"""Applies migrations: to the newest version at start, or anywhere for operators and tests."""

from pathlib import Path

import psycopg

HEAD = "0012"
"""The version that this code expects. A test compares it with the newest migration."""

MIGRATION_LOCK = 2_411_950_384_221_077_354
"""Key of the advisory lock that lets one process migrate at a time; the others wait and then find
it done."""


class SchemaError(Exception):
    """The database's schema is not what this code can work with; the message says what to do."""


def current(url: str) -> str | None:
    """Return the database's schema version, None for an empty database."""
    with psycopg.connect(url, autocommit=True) as connection:
        return _current(connection)


def upgrade(url: str, target: str = HEAD) -> None:
    """Bring the schema up to the target, in one transaction, if it is not there already.

    Raises:
        SchemaError: the database is newer than this code.
    """
    if current(url) == target:
        return
    _run(url, "upgrade", target)


def downgrade(url: str, target: str) -> None:
    """Take the schema down to the target; `base` removes everything, the log included."""
    _run(url, "downgrade", target)


def _run(url: str, direction: str, target: str) -> None:
    # Alembic and SQLAlchemy take half a second to import, which only migrations need.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from sqlalchemy import create_engine, text  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url)
    )
    try:
        with engine.connect() as connection:
            # For the whole session: two processes that start at once must not both migrate.
            connection.execute(text(f"SELECT pg_advisory_lock({MIGRATION_LOCK})"))
            connection.commit()
            found = _current_by(connection.connection.driver_connection)
            if direction == "upgrade" and found is not None and found > HEAD:
                newer = f"newer than this version's {HEAD}"
                msg = f"the database's schema is {found}, {newer}; run a newer version"
                raise SchemaError(msg)
            config.attributes["connection"] = connection
            {"upgrade": command.upgrade, "downgrade": command.downgrade}[direction](
                config, target
            )
            connection.commit()
    finally:
        engine.dispose()


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
