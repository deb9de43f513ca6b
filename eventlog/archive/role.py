"""The role that alone may take archived events out of the log, and how it is made.

A role belongs to the whole server, so the schema only knows its name. Where the service has the
server to itself, it makes the role when it first archives; elsewhere it says what the database's
owner must run.
"""

import psycopg
from psycopg import errors, sql

from projections.rows import Connection, read_value

ROLE = "apphub_jobs_archivist"

ASSUME = f"SET LOCAL ROLE {ROLE}"

STEP_BACK = "RESET ROLE"

_PROBE = f"""
    BEGIN; {ASSUME}; DELETE FROM jobs_events WHERE false; {STEP_BACK}; ROLLBACK
"""

CREATE = f"CREATE ROLE {ROLE} NOLOGIN"


class ArchivistMissingError(Exception):
    """The role cannot be assumed; the message says what the database's owner must run."""


async def ensure_archivist(connection: Connection, *, make: bool) -> None:
    """Make sure that this session can assume the role, and that the role may do what it is for.

    Args:
        connection: outside of any transaction.
        make: whether to make the role if it is missing.

    Raises:
        ArchivistMissingError: it cannot, or it may not.
    """
    problem = await _problem(connection)
    if problem is None:
        return
    user = await read_value(connection, str, "SELECT current_user::text")
    schema = await read_value(connection, str, "SELECT current_schema()::text")
    statements = role_sql(connection, user, schema)
    if not make:
        needed = "".join(f"\n    {statement};" for statement in statements)
        raise ArchivistMissingError(
            f"the role {ROLE} cannot be used: {problem}"
            f"\nLet the database's owner run, in this database:{needed}"
        )
    for statement in statements:
        try:
            await connection.execute(statement.encode())
        except (errors.DuplicateObject, errors.UniqueViolation):
            continue  # Another database's command was as quick.
    problem = await _problem(connection)
    if problem is not None:
        raise ArchivistMissingError(f"the role {ROLE} cannot be used: {problem}")


def role_sql(connection: Connection, user: str, schema: str) -> list[str]:
    """Return the statements that make the role and let this user assume it."""
    name = sql.Identifier(user).as_string(connection)
    place = sql.Identifier(schema).as_string(connection)
    return [
        CREATE,
        f"GRANT {ROLE} TO {name}",
        f"GRANT USAGE ON SCHEMA {place} TO {ROLE}",
        f"GRANT SELECT, DELETE ON jobs_events TO {ROLE}",
        f"GRANT SELECT ON archived_runs TO {ROLE}",
    ]


async def _problem(connection: Connection) -> str | None:
    """Find out by doing it: what a role may do has many sources."""
    try:
        await connection.execute(_PROBE)
    except psycopg.Error as error:
        await connection.execute("ROLLBACK")
        if not isinstance(
            error,
            errors.InvalidParameterValue | errors.UndefinedObject | errors.InsufficientPrivilege,
        ):
            raise
        return str(error).splitlines()[0]
    return None
