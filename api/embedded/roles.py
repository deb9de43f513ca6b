"""The private server's roles: the service owns its database, and no superuser can log in.

The superuser that made the cluster remains, for PostgreSQL needs it, but it has no password any
more. Servers of older versions, whose services were superusers, are changed in the same way.
"""

from collections.abc import Iterator

import psycopg
from psycopg import sql

DATABASE = "apphub"

SUPERUSER = "apphub"
"""Made with the cluster."""

SERVICE = "apphub_jobs"
"""As whom the service works. It makes the archivist's role, so it may make roles."""

_MAKES_DATABASES = sql.SQL("CREATEDB IN ROLE pg_signal_backend")
"""What a service for tests may besides: it drops its database, also while autovacuum works there,
and makes it anew."""

_OURS = """
    SELECT format('ALTER TABLE %s OWNER TO ', class.oid::regclass)
    FROM pg_class AS class
    WHERE relowner = current_user::regrole AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
        AND relpersistence <> 't' AND class.oid >= 16384
        AND NOT EXISTS (
            SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = class.oid
                AND deptype IN ('a', 'i', 'e')
        )
    UNION ALL
    SELECT format('ALTER ROUTINE %s OWNER TO ', routine.oid::regprocedure)
    FROM pg_proc AS routine
    WHERE proowner = current_user::regrole AND oid >= 16384
        AND NOT EXISTS (
            SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = routine.oid
                AND deptype = 'e'
        )
"""
"""What a migration made, by the beginning of the statement that gives it to somebody else. What
belongs to a table or an extension goes with it."""

_IS_HANDED_OVER = "SELECT rolname FROM pg_roles WHERE rolname = %s"

_ROLES_WITHOUT_LOGIN = """
    SELECT rolname FROM pg_roles WHERE oid >= 16384 AND NOT rolcanlogin
"""

Superuser = psycopg.Connection[tuple[str]]


def make_database(connection: "psycopg.Connection[tuple[object]]") -> None:
    """Make the service's database if it is not there yet; by a superuser, elsewhere."""
    query = "SELECT 1 FROM pg_database WHERE datname = %s"
    if connection.execute(query, (DATABASE,)).fetchone() is None:
        connection.execute(f"CREATE DATABASE {DATABASE}".encode())


def hand_over(
    connection: Superuser, password: str, *, makes_databases: bool = False
) -> None:
    """Give the database to the service's role, and let no superuser log in again.

    Where the role is there, all of this has been done, and the server only did not answer yet.

    Args:
        connection: a superuser's, to the service's database. All happens in one transaction.
        password: of the service's role.
        makes_databases: the service is one for tests, which replaces its database.
    """
    more = _MAKES_DATABASES if makes_databases else sql.SQL("")
    role = sql.SQL("CREATE ROLE {} LOGIN CREATEROLE PASSWORD {} {}")
    with connection.transaction():
        if connection.execute(_IS_HANDED_OVER, (SERVICE,)).fetchone() is not None:
            return
        connection.execute(
            role.format(sql.Identifier(SERVICE), sql.Literal(password), more)
        )
        for statement in _statements(connection):
            connection.execute(statement.encode())


def _statements(connection: Superuser) -> Iterator[str]:
    yield f"ALTER DATABASE {DATABASE} OWNER TO {SERVICE}"
    ours = connection.execute(_OURS).fetchall()
    for (beginning,) in ours:
        yield f"{beginning}{SERVICE}"
    roles = connection.execute(_ROLES_WITHOUT_LOGIN).fetchall()
    for (role,) in roles:
        yield f"GRANT {role} TO {SERVICE} WITH ADMIN OPTION"
    yield f"ALTER ROLE {SUPERUSER} PASSWORD NULL"
