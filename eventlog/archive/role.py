"""The archivist: the only role that may delete archived events from the log.

A role belongs to the whole server; the schema only names it. On a server of its own, the service
creates the role when it first archives; elsewhere an error tells the database's owner what to run.
"""

import psycopg
from psycopg import errors, sql

from projections.rows import Connection, read_value

ROLE = "apphub_jobs_archivist"

ASSUME = f"SET LOCAL ROLE {ROLE}"

RESET = "RESET ROLE"

_PROBE = f"""
    BEGIN; {ASSUME}; DELETE FROM jobs_events WHERE false; {RESET}; ROLLBACK
"""

CREATE = f"CREATE ROLE {ROLE} NOLOGIN"


class ArchivistMissingError(Exception):
    """The role cannot be assumed; the message says what the database's owner must run."""


async def ensure_archivist(connection: Connection, *, make: bool) -> None:
    """Check that this session can assume the role, and that the role may delete events.

    Args:
        connection: outside of any transaction.
        make: whether to create the role if it is missing.

    Raises:
        ArchivistMissingError: the session cannot assume the role, or the role may not delete.
    """
    problem = await _problem(connection)
    if problem is None:
        return
    user = await read_value(connection, str, "SELECT current_user::text")
    schema = await read_value(connection, str, "SELECT current_schema()::text")
    statements = role_sql(connection, user, schema)
    if not make:
        commands = "".join(f"\n    {statement};" for statement in statements)
        raise ArchivistMissingError(
            f"the role {ROLE} cannot be used: {problem}"
            f"\nLet the database's owner run, in this database:{commands}"
        )
    for statement in statements:
        try:
            await connection.execute(statement.encode())
        except (errors.DuplicateObject, errors.UniqueViolation):
            continue  # A command on another database has created it meanwhile.
    problem = await _problem(connection)
    if problem is not None:
        raise ArchivistMissingError(f"the role {ROLE} cannot be used: {problem}")


def role_sql(connection: Connection, user: str, schema: str) -> list[str]:
    """Return the statements that create the role and let this user assume it."""
    quoted_user = sql.Identifier(user).as_string(connection)
    quoted_schema = sql.Identifier(schema).as_string(connection)
    return [
        CREATE,
        f"GRANT {ROLE} TO {quoted_user}",
        f"GRANT USAGE ON SCHEMA {quoted_schema} TO {ROLE}",
        f"GRANT SELECT, DELETE ON jobs_events TO {ROLE}",
        f"GRANT SELECT ON archived_runs TO {ROLE}",
    ]


async def _problem(connection: Connection) -> str | None:
    """Return why the role cannot be used, None if it can; tried, as rights have many sources."""
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
