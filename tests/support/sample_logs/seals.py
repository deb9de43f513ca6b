"""Sealed logs for tests, and edits behind the service's back, which no trigger stops."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from psycopg_pool import AsyncConnectionPool

from eventlog import encoding
from eventlog.database import sql
from eventlog.database.connection import Database
from eventlog.database.listener import Listener
from eventlog.keys import LogFiles
from eventlog.seal import seal as seal_statements
from eventlog.seal import tree as stored_events
from eventlog.seal.keys import SealKeys, create_keys, read_keys
from eventlog.seal.proofs import Prover
from eventlog.seal.report import Report
from eventlog.seal.seal import (
    NO_PREVIOUS,
    KeptHead,
    Seal,
    SignedHead,
    all_seals,
    check_seal,
    entries_hash,
    read_kept,
    sign,
    to_runs,
)
from eventlog.seal.sealer import Sealer, Sealing
from eventlog.seal.tree import Frontier
from eventlog.seal.verify import verify_seals
from projections.rows import Connection
from tests.support.logs import query

APPEND = """
    INSERT INTO jobs_events
        (originator_id, originator_version, topic, state, actor, correlation_id, causation_id)
    SELECT gen_random_uuid(), 1, 'job_run.handed_back', convert_to(
        '{"timestamp":"2026-11-24T00:00:00.000Z","worker_id":"w","execution":' || n || '}', 'UTF8'),
        'tester', gen_random_uuid(), gen_random_uuid()
    FROM generate_series(1, %s) AS n
"""

TABLES = ("jobs_events", "log_seals", "log_identity")


@dataclass(frozen=True)
class SealedLog:
    """A database, where its sealer keeps key and head, and where its archive files lie."""

    url: str
    directory: Path
    archive: Path | None = None

    @property
    def how(self) -> Sealing:
        return Sealing(self.directory / "seal.key", self.directory / "seal.head", every_s=0.05)

    @property
    def keys(self) -> SealKeys:
        return read_keys(self.how.key_file)

    def append(self, count: int, *, roll_back: bool = False) -> None:
        """Append events, or leave a gap as long."""
        with psycopg.connect(self.url) as connection:
            connection.execute(APPEND, (count,))
            if roll_back:
                connection.rollback()

    async def seal(self) -> None:
        """Seal what is not sealed yet, by a sealer that has just started."""
        async with sealer(self.url, self.how, self.archive) as one:
            while await one.cycle():
                pass

    async def export(self, name: str) -> Path:
        """Keep the last head elsewhere; return the file."""
        async with pool(self.url) as connections:
            head = await Prover(connections, self.archive, self.keys).export()
        file = self.directory / name
        file.write_bytes(head)
        return file

    async def verify(self, *kept: Path, keys: SealKeys | None = None) -> Report:
        """Verify the log, against these kept heads alone."""
        trusted = keys or self.keys
        heads = [head for file in kept for head in read_kept(file, trusted)]
        return await verify(self.url, trusted, heads, self.archive)


async def sealed_log(url: str, directory: Path) -> SealedLog:
    """Make a log of 27 events with gaps, under six seals, and two events more; return it.

    Positions: seal 1 has 1-7, seal 2 11-15, seal 3 16, seal 4 17-20 and 23-26, seal 5 27-29, seal 6
    31-33; 34 and 35 are not sealed.
    """
    log = SealedLog(url, directory)
    for before, *counts in ((0, 7), (3, 5), (0, 1), (0, 4, 4), (0, 3), (1, 3)):
        if before:
            log.append(before, roll_back=True)
        for number, count in enumerate(counts):
            if number:
                log.append(2, roll_back=True)
            log.append(count)
        await log.seal()
    log.append(2)
    return log


def keep(log: SealedLog) -> None:
    """Keep a copy of everything, for `restore`."""
    with editor(log.url) as connection:
        for table in TABLES:
            connection.execute(f"CREATE TABLE kept_{table} AS TABLE {table}")
    log.how.head_file.rename(log.directory / "kept.head")


def restore(log: SealedLog) -> None:
    """Undo every edit since `keep`."""
    (log.how.head_file).write_bytes((log.directory / "kept.head").read_bytes())
    with editor(log.url) as connection:
        for table in TABLES:
            connection.execute(f"DELETE FROM {table}")
            connection.execute(f"INSERT INTO {table} TABLE kept_{table}")
        connection.execute("ALTER TABLE jobs_events ALTER COLUMN notification_id SET NOT NULL")
        connection.execute(
            "CREATE UNIQUE INDEX IF NOT EXISTS jobs_events_notification_id_idx"
            " ON jobs_events (notification_id)"
        )


async def verify(
    url: str, keys: SealKeys, kept: Sequence[KeptHead] = (), archive: Path | None = None
) -> Report:
    """Verify the log."""
    return await verify_seals(Database(url, LogFiles(archive)), keys, kept)


@contextmanager
def editor(url: str) -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
    """Give a superuser's connection in which no trigger fires, and every edit hits something."""
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection


def edit(url: str, *statements: str) -> None:
    """Edit behind the service's back."""
    with editor(url) as connection:
        for statement in statements:
            cursor = connection.execute(statement)
            assert cursor.rowcount != 0, f"nothing was edited by {statement}"


@asynccontextmanager
async def pool(url: str) -> AsyncIterator[AsyncConnectionPool[Connection]]:
    """Give a pool."""
    async with Database(url).pool(2) as connections:
        yield connections


@asynccontextmanager
async def sealer(url: str, how: Sealing, archive: Path | None = None) -> AsyncIterator[Sealer]:
    """Give a sealer that only does what it is told."""
    async with pool(url) as connections:
        yield Sealer(connections, archive, Listener(Database(url)).signal(), how)


async def rewrite_seals(url: str, forger: SealKeys, real: SealKeys, first: int = 1) -> None:
    """Make the seals from one number on anew, over the log as it is now.

    They keep numbers and places; the signature is another.
    """
    async with (
        pool(url) as connections,
        connections.connection() as connection,
        connection.transaction(),
    ):
        await connection.execute("SET LOCAL session_replication_role = replica")
        [row] = await (await connection.execute(sql.LOG_ID)).fetchall()
        seals = [check_seal(one, real, row["id"]) async for one in all_seals(connection)]
        cursor = encoding.raw_cursor(connection)
        await cursor.execute(encoding.ALL, binary=True)
        leaves = stored_events.to_leaves(await cursor.fetchall())
        await connection.execute("DELETE FROM log_seals WHERE number >= %s", (first,))
        tree, before, after = Frontier(), NO_PREVIOUS, encoding.FIRST
        for seal in seals:
            assert seal.signed is not None
            own = [leaf for leaf in leaves if after < leaf[0] <= seal.signed.head.position]
            for _, leaf in own:
                tree.push(leaf)
            signed = seal.signed
            if signed.head.number >= first:
                signed = await _forged(connection, forger, signed, tree, before, own)
            before, after = signed.hash, signed.head.position


async def _forged(
    connection: Connection,
    forger: SealKeys,
    old: SignedHead,
    tree: Frontier,
    before: str,
    own: list[stored_events.Leaf],
) -> SignedHead:
    runs, hashes = (to_runs([position for position, _ in own]), b"".join(leaf for _, leaf in own))
    head = replace(
        old.head,
        size=tree.size,
        root=tree.root().hex(),
        entries=entries_hash(runs, hashes),
        previous=before,
        key=forger.id,
    )
    signed = sign(forger, head)
    await connection.execute(
        seal_statements.INSERT_SEAL, Seal(signed, runs, hashes, b"".join(tree.peaks)).row()
    )
    return signed


def new_keys(directory: Path) -> SealKeys:
    """Return keys that nobody trusts."""
    return create_keys(directory / f"{uuid4().hex}.key")


UNSEALED = """
    SELECT count(*) FROM jobs_events
    WHERE notification_id > (SELECT coalesce(max(position), 0) FROM log_seals)
"""


def unsealed(url: str) -> int:
    """Return how many events lie beyond the last seal."""
    [(count,)] = query(url, UNSEALED)
    return int(count)
