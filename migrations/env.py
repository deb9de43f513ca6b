"""Alembic's entry: it runs on the connection that `migrations.runner` hands over.

Where `alembic` itself is called there is none, and the environment names the database.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from alembic import context
from alembic.command import downgrade
from alembic.util import CommandError
from sqlalchemy import Connection

from migrations import runner

URLS = ("APPHUB_DATABASE_URL", "DATABASE_URL")
"""Variables that say where it is; the first that is set counts."""


@contextmanager
def _connection() -> Iterator[Connection]:
    handed_over = context.config.attributes.get("connection")
    if handed_over is not None:
        yield handed_over
        return
    url = next((os.environ[name] for name in URLS if os.environ.get(name)), None)
    if url is None or context.is_offline_mode():
        raise CommandError(
            f"set {URLS[0]} to the database's URL; --sql cannot be used."
            " The service migrates by itself when it starts"
        )
    with runner.locked(url) as connection:
        options = context.config.cmd_opts
        if options is not None and options.cmd[0] is downgrade:
            runner.refuse_to_lose_keys(connection, options.revision)
            connection.commit()
        yield connection
        connection.commit()


with _connection() as connection:
    context.configure(connection=connection, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()
