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
from cli.database import migrated
from cli.log_access import keyed
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
from eventlog.personal import needed
from runtime.tasks import Supervision

app = typer.Typer(
    help="Personal data: erase a subject, change the key that wraps all keys.", no_args_is_help=True
)

logger = logging.getLogger(__name__)

OPERATOR = Origin(actor="operator")


@command(
    app,
    told="Destroy the subject's key, so that its personal data cannot be read any more,"
    " in the log and all its tables.",
    reads_database=True,
)
def erase(
    *,
    subject: Annotated[str, typer.Argument(help="The subject's name, as launches gave it.")],
    reason: Annotated[
        str | None, typer.Option(help="Kept in the log for ever: let it name nobody.")
    ] = None,
    place: DatabaseOptions,
    subject_key: SubjectKey = None,
) -> None:
    """Destroy the key of a subject's personal data."""

    async def main(opened: Database) -> Erasure:
        async with _subjects(opened) as subjects:
            return await subjects.erase(subject, reason, OPERATOR)

    with _opened(place, subject_key) as opened:
        erasure = asyncio.run(main(opened))
    row = erasure.row
    key_id = row["key_id"]
    runs = row["runs"]
    erased_at = row["erased_at"]
    typer.echo(f"erased: key {key_id}, {runs} runs, position {erasure.position}, {erased_at}")


@command(
    app,
    "rotate-key",
    "Wrap all living keys by a new master key and destroy the former,"
    " so that no older copy of them opens anything.",
    reads_database=True,
)
def rotate_key(*, place: DatabaseOptions, subject_key: SubjectKey = None) -> None:
    """Change the master key."""

    async def main(opened: Database) -> MasterKey | None:
        async with await opened.connect() as connection:
            file = needed(opened.files.master_keys)
            return await rotate(connection, file, lambda done: logger.info("%d keys", done))

    with _opened(place, subject_key) as opened:
        new = asyncio.run(main(opened))
        if new is None:
            raise failure("this database has no personal data, and so no master key")
        file = _file_of(opened)
        typer.echo(
            f"the master key is {new.id} now; give {file} to all processes that use this database"
        )


def _file_of(opened: Database) -> str:
    master_keys = opened.files.master_keys
    if master_keys is None:
        return "its file"
    return str(master_keys.path)


@contextmanager
def _opened(place: DatabaseOptions, subject_key: Path | None) -> Iterator[Database]:
    """Open the database, and say clearly why something cannot be done."""
    with migrated(place) as (directory, url):
        opened = keyed(directory, url, subject_key)
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
        clock = DatabaseClock(pool)
        await clock.sync()
        writer = Writer(opened, clock=clock)
        await writer.start(Supervision())
        stack.push_async_callback(writer.stop)
        factory = LogFactory(opened.conninfo, writer)
        log = PostgresLog(writer, pool, opened.files)
        jobs = Jobs(factory, log, clock, random.SystemRandom(), FOLLOWERS)
        stack.callback(jobs.close)
        yield Subjects(jobs)
