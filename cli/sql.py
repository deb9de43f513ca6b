"""`apphub-jobs sql`: the database by SQL, as a role that only reads."""

import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from api.server_placement import ServerUser, binaries
from cli import composition  # noqa: F401 - the catalog has tables, too
from cli.database import migrated_database
from cli.options import DatabaseOptions, command, failure
from projections.tables import TABLES
from runtime.files import write_atomically

sql_app = typer.Typer()

READER = "apphub_jobs_reader"
"""A role belongs to a whole server, so no migration makes it."""

READABLE = (*(table.name for table in TABLES), "live_job_definitions", "workers", "jobs_events")
"""What the role may read: no keys of personal data, nor what only the service understands."""

PASSWORD_FILE = "postgres.reader"  # noqa: S105 - its name alone
"""In the data directory: the role's password on the private server."""


@command(sql_app, "sql", reads_database=True)
def sql_command(
    *,
    query: Annotated[
        str | None,
        typer.Argument(help="The query; if left out, psql is opened, or reads standard input."),
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print rows as CSV.")] = False,
    connection: Annotated[
        bool,
        typer.Option(
            "--connection", help="Print what another SQL client needs to connect, and exit."
        ),
    ] = False,
    options: DatabaseOptions,
) -> None:
    """Query the database by SQL, as a role that only reads: opens psql, PostgreSQL's own client."""
    with migrated_database(options) as (directory, url):
        is_private = options.database_url is None
        address = _private_address(directory, url) if is_private else _operators_address(url)
        if connection:
            typer.echo(make_conninfo(**_without_password(address)))
            typer.echo(_password_hint(address, directory), err=True)
            return
        program = find_psql(is_private=is_private)
        if program is None:
            raise failure(
                "psql is not installed: install it (Debian: postgresql-client), or use another"
                " SQL client; what that needs: apphub-jobs sql --connection"
            )
        code = _run(program, address, query, csv=csv)
    if code:
        raise typer.Exit(code)


def _private_address(directory: Path, url: str) -> dict[str, Any]:
    """Return the reading role's connection to the private server; the role is made if missing."""
    with psycopg.connect(url) as connection:
        # One at a time: PostgreSQL lets no two change the same role or the same rights.
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (READER,))
        password = reader_password(directory / PASSWORD_FILE)
        row = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (READER,)).fetchone()
        verb = "CREATE" if row is None else "ALTER"
        connection.execute(
            sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
                sql.SQL(verb), sql.Identifier(READER), sql.Literal(password)
            )
        )
        for statement in _grants():
            connection.execute(statement.encode())
    return _read_only({**conninfo_to_dict(url), "user": READER, "password": password})


def reader_password(file: Path) -> str:
    """Return the role's password, made at its first use; only its owner may read the file."""
    # A file of an earlier version is empty if a disk was full.
    if not file.exists() or not file.stat().st_size:
        write_atomically(file, secrets.token_urlsafe(24).encode(), mode=0o600)
    return file.read_text()


def _operators_address(url: str) -> dict[str, Any]:
    """Return the reading role's connection to the operator's database, whose owner has made it.

    Raises:
        typer.Exit: the role cannot be used.
    """
    with psycopg.connect(url) as connection:
        try:
            connection.execute(f"SET ROLE {READER}".encode())
            connection.execute("SELECT FROM live_job_definitions LIMIT 0")
        except (
            psycopg.errors.InvalidParameterValue,
            psycopg.errors.UndefinedObject,
            psycopg.errors.InsufficientPrivilege,
        ) as error:
            problem = str(error).splitlines()[0]
            raise failure(_remedy(connection, problem)) from None
    return _read_only(conninfo_to_dict(url), f"-c role={READER}")


def _remedy(connection: "psycopg.Connection[Any]", problem: str) -> str:
    user = connection.info.user
    name = sql.Identifier(user).as_string(connection)
    statements = [f"CREATE ROLE {READER} NOLOGIN", *_grants(), f"GRANT {READER} TO {name}"]
    needed = "".join(f"\n    {statement};" for statement in statements)
    return (
        f"the role {READER} cannot be used: {problem}"
        f"\nLet the database's owner run, in this database:{needed}"
    )


def _grants() -> list[str]:
    """Return the statements that let the role read; they may be repeated."""
    return [
        f"GRANT USAGE ON SCHEMA public TO {READER}",
        f"GRANT SELECT ON {', '.join(READABLE)} TO {READER}",
    ]


def _read_only(address: dict[str, Any], *options: str) -> dict[str, Any]:
    """Return the address with options, among them one that makes all transactions read-only."""
    own_options = address.get("options")
    all_options = [own_options] if own_options else []
    all_options += [*options, "-c default_transaction_read_only=on"]
    return {**address, "options": " ".join(all_options)}


def find_psql(*, is_private: bool) -> Path | None:
    """Return the path of psql: the private server's, which has its version, or the machine's."""
    installed = shutil.which("psql")
    if installed is not None and not is_private:
        return Path(installed)
    myself = ServerUser(os.geteuid(), os.getegid(), {})  # The user that psql runs as.
    shipped = binaries(myself) / "psql"
    if shipped.exists():
        return shipped
    return Path(installed) if installed else None


def _without_password(address: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in address.items() if name != "password"}


def _password_hint(address: dict[str, Any], directory: Path) -> str:
    if address.get("user") != READER:
        return "apphub-jobs: the password is that of your --database-url"
    return (
        f"apphub-jobs: the password is in {directory / PASSWORD_FILE};"
        " the server is there as long as the service runs"
    )


def _run(program: Path, address: dict[str, Any], query: str | None, *, csv: bool) -> int:
    """Run psql to its end and return its exit code."""
    arguments: list[str | Path] = [program, "--no-psqlrc"]
    if csv:
        arguments.append("--csv")
    if query is not None or not sys.stdin.isatty():
        arguments.append("--set=ON_ERROR_STOP=1")
    if query is not None:
        arguments.append(f"--command={query}")
    arguments.append(make_conninfo(**_without_password(address)))
    environment = {**os.environ, "PGAPPNAME": "apphub-jobs sql"}
    if address.get("password"):
        # Not as an argument, which every account of the machine could read.
        environment["PGPASSWORD"] = address["password"]
    process = subprocess.Popen(arguments, env=environment)  # noqa: S603 - our own
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # Ctrl-C is for psql: it cancels the query.
