"""`apphub-jobs subjects …`: erase somebody's personal data, and change the master key."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from api.cli.opening import database, keyed
from api.cli.options import DatabaseUrl, DataDir, SubjectKey, failure
from domain.commands.jobs import Jobs
from domain.commands.subjects import Erasure, Subjects
from domain.errors import DomainError, LogUnavailableError, OutcomeUnknownError
from domain.ports import Origin
from eventlog.append.postgres_log import PostgresLog
from eventlog.append.recorder import LogFactory
from eventlog.append.writer import Writer
from eventlog.database.clock import DatabaseClock
from eventlog.database.connection import Database
from eventlog.keys.master import MasterKey
from eventlog.personal.rotation import rotate
from eventlog.personal.subject_keys import needed
from migrations import runner
from runtime.supervision import Supervision

app = typer.Typer(
    help="Personal data: erase a subject, change the key that wraps all keys.", no_args_is_help=True
)

logger = logging.getLogger(__name__)

OPERATOR = Origin(actor="operator")


@app.command()
def erase(
    subject: Annotated[str, typer.Argument(help="The subject's name, as launches gave it.")],
    reason: Annotated[
        str | None, typer.Option(help="Kept in the log for ever: let it name nobody.")
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    subject_key: SubjectKey = None,
) -> None:
    """Destroy the subject's key, so that its personal data cannot be read any more, in the log and all its tables."""

    async def main(opened: Database) -> Erasure:
        async with _subjects(opened) as subjects:
            return await subjects.erase(subject, reason, OPERATOR)

    with _opened(data_dir, database_url, subject_key) as opened:
        done = asyncio.run(main(opened))
    runs = done.row["runs"]
    typer.echo(
        f"erased: key {done.row['key_id']}, {runs} runs, position {done.position}, {done.row['erased_at']}"
    )


@app.command("rotate-key")
def rotate_key(
    data_dir: DataDir = None, database_url: DatabaseUrl = None, subject_key: SubjectKey = None
) -> None:
    """Wrap all living keys by a new master key and destroy the former, so that no older copy of them opens anything."""

    async def main(opened: Database) -> MasterKey | None:
        async with await opened.connect() as connection:
            file = needed(opened.files.master_keys)
            return await rotate(connection, file, lambda done: logger.info("%d keys", done))

    with _opened(data_dir, database_url, subject_key) as opened:
        new = asyncio.run(main(opened))
        if new is None:
            raise failure("this database has no personal data, and so no master key")
        typer.echo(
            f"the master key is {new.id} now; give {_file_of(opened)} to all processes that use this database"
        )


def _file_of(opened: Database) -> str:
    master_keys = opened.files.master_keys
    return "its file" if master_keys is None else str(master_keys.path)


@contextmanager
def _opened(data_dir: Path | None, url: str | None, subject_key: Path | None) -> Iterator[Database]:
    """Open the database, whose schema must be this version's, and say clearly why something cannot be done."""
    with database(data_dir, url, upgrade=False) as (directory, found):
        version = runner.current(found)
        if version != runner.HEAD:
            raise failure(
                f"the database's schema is {version}, not {runner.HEAD}; see `apphub-jobs migrate`"
            )
        opened = keyed(directory, found, subject_key)
        try:
            yield opened
        except (DomainError, LogUnavailableError) as error:
            raise failure(error) from None
        except OutcomeUnknownError:
            raise failure("the database went away while it committed; ask once more") from None


@asynccontextmanager
async def _subjects(opened: Database) -> AsyncIterator[Subjects]:
    """Give the command, with as much of the service as it needs."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(opened.pool(1))
        clock, writer = DatabaseClock(pool), Writer(opened)
        await clock.sync()
        await writer.start(Supervision())
        stack.push_async_callback(writer.stop)
        jobs = Jobs(
            LogFactory(opened.conninfo, writer),
            PostgresLog(writer, pool, opened.files),
            clock,
            random.SystemRandom(),
        )
        stack.callback(jobs.close)
        yield Subjects(jobs)
