"""The database of a test service, and the one that it is made of anew for each test."""

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from eventlog.database.shifted_clock import SCHEMA, shiftable
from migrations import runner

DATABASE = "apphub_test"
TEMPLATE = "apphub_test_template"


def prepare(server_url: str) -> str:
    """Make both databases on a server, and return the URL by which the service reaches its own."""
    template_url = shiftable(make_conninfo(server_url, dbname=TEMPLATE))
    _recreate(server_url, TEMPLATE, "template0")
    with psycopg.connect(template_url, autocommit=True) as connection:
        connection.execute(SCHEMA)
    runner.upgrade(template_url)
    _recreate(server_url, DATABASE, TEMPLATE)
    return shiftable(make_conninfo(server_url, dbname=DATABASE))


def replace(url: str) -> None:
    """Put a new database in the place of a test service's; all of its connections are lost.

    Its processes notice that the log is another one, and forget what they remember.
    """
    given = conninfo_to_dict(url)
    server_url = make_conninfo(url, dbname="postgres", options="")
    _recreate(server_url, str(given["dbname"]), TEMPLATE)


def _recreate(server_url: str, name: str, template: str) -> None:
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {} ENCODING 'UTF8'")
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(drop.format(sql.Identifier(name)))
        connection.execute(
            create.format(sql.Identifier(name), sql.Identifier(template))
        )
