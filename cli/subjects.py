"""`apphub-jobs subjects …`: erase a person's data, and change the master key."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from cli.composition import FOLLOWERS
from cli.database import migrated_database
from cli.log_access import database_with_keys
from cli.options import DatabaseOptions, SubjectKey, command, failure
from domain.commands.jobs import Jobs
from domain.commands.subjects import Erasure, Subjects
from domain.errors import DomainError, LogUnavailableError, OutcomeUnknownError
from domain.ports import Origin
from eventlog.append.log import LogFactory, PostgresLog
from eventlog.append.writer import Writer
from eventlog.database.clock import DatabaseClock
from eventlog.database.connection import Database
from eventlog.key_rotation import rotate
from eventlog.keys import MasterKey
from eventlog.personal import require_master_keys
from runtime.tasks import Supervision

subjects_app = typer.Typer(
    help="Personal data: erase a person's data, change the master key.", no_args_is_help=True
)

logger = logging.getLogger(__name__)

OPERATOR = Origin(actor="operator")


@command(
    subjects_app,
    help_text="Erase a person's data in the log and all tables, by destroying the person's key.",
    reads_database=True,
)
def erase(
    *,
    subject: Annotated[str, typer.Argument(help="The subject's name, as launches gave it.")],
    reason: Annotated[
        str | None, typer.Option(help="Kept in the log for ever: do not name anyone.")
    ] = None,
    options: DatabaseOptions,
    subject_key: SubjectKey = None,
) -> None:
    """Destroy the key of a subject's personal data."""

    async def main(database: Database) -> Erasure:
        async with _subjects(database) as subjects:
            return await subjects.erase(subject, reason, OPERATOR)

    with _open_database(options, subject_key) as database:
        erasure = asyncio.run(main(database))
    row = erasure.row
    typer.echo(
        f"erased: key {row['key_id']}, {row['runs']} runs, position {erasure.position},"
        f" {row['erased_at']}"
    )


@command(
    subjects_app,
    "rotate-key",
    "Wrap all keys with a new master key and destroy the old one, so that older copies of the keys"
    " are useless.",
    reads_database=True,
)
def rotate_key(*, options: DatabaseOptions, subject_key: SubjectKey = None) -> None:
    """Change the master key."""

    async def main(database: Database) -> MasterKey | None:
        async with await database.connect() as connection:
            file = require_master_keys(database.files.master_keys)
            return await rotate(connection, file, lambda done: logger.info("%d keys", done))

    with _open_database(options, subject_key) as database:
        new = asyncio.run(main(database))
        if new is None:
            raise failure("this database has no personal data, so there is no master key")
        master_keys = database.files.master_keys
        file = "its file" if master_keys is None else master_keys.path
        typer.echo(
            f"the master key is now {new.id}; give {file} to all processes that use this database"
        )


@contextmanager
def _open_database(options: DatabaseOptions, subject_key: Path | None) -> Iterator[Database]:
    """Open the database with its keys; errors within the block end the command as a message."""
    with migrated_database(options) as (directory, url):
        database = database_with_keys(directory, url, subject_key)
        try:
            yield database
        except (DomainError, LogUnavailableError) as error:
            raise failure(error) from None
        except OutcomeUnknownError:
            raise failure(
                "the connection to the database was lost during the commit; run it again"
            ) from None


@asynccontextmanager
async def _subjects(database: Database) -> AsyncIterator[Subjects]:
    """Open the domain's commands, with as much of the service as they need."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(database.pool(1))
        clock = DatabaseClock(pool)
        await clock.sync()
        writer = Writer(database, clock=clock)
        await writer.start(Supervision())
        stack.push_async_callback(writer.stop)
        factory = LogFactory(database.conninfo, writer)
        log = PostgresLog(writer, pool, database.files)
        jobs = Jobs(factory, log, clock, random.SystemRandom(), FOLLOWERS)
        stack.callback(jobs.close)
        yield Subjects(jobs)
