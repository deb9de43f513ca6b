"""The sealer: follows the log and writes a signed Merkle head over it, once a second while events arrive.

Each cycle is one short transaction under an advisory lock of its own, from the last seal in the table to the log's
end: whoever gets the lock seals, the others find it done. Nothing is kept between cycles but the last head, in a file
outside the database, so a killed sealer, or another process, just goes on. The append lock is never touched.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg_pool import AsyncConnectionPool

from domain.clock import to_iso
from domain.errors import LogUnavailableError
from domain.tasks import end
from eventlog import schema, stored_events
from eventlog.connection import borrowed
from eventlog.listener import Signal
from eventlog.merkle import Frontier
from eventlog.seal_files import read_head, write_head
from eventlog.seal_keys import SealKeyError, SealKeys, create_keys, read_keys
from eventlog.seal_rows import judge, last_seal
from eventlog.seals import NOTHING_BEFORE, Head, Seal, SealError, SignedHead, entries_hash, sign, to_runs
from eventlog.stored_events import Leaf
from projections.table import Connection, fetch_rows

logger = logging.getLogger(__name__)

MAX_EVENTS = 1_000
"""Events under one seal: the most that a seal whose own hashes were destroyed leaves in doubt."""

MAX_SEALS = 10
"""Seals in one transaction, when there is much to catch up with."""

CHUNK = 500
"""Events hashed at a time: a millisecond or two, in which the process serves nobody else."""

POLL_S = 1.0
"""The longest an event waits for its cycle to begin when its notification is lost."""

LAST_CYCLE_S = 2.0
"""How long a stop may take to seal what was appended last."""


@dataclass(frozen=True)
class Sealing:
    """How a process seals.

    Attributes:
        key_file: the key; made with the log's first seal if there is none.
        head_file: where the last head is kept, outside the database.
        every_s: how long an event may wait, while others arrive.
    """

    key_file: Path
    head_file: Path
    every_s: float = 1.0


@dataclass
class Tip:
    """Where sealing goes on: the last seal, None before the first, and the tree up to it."""

    log_id: str
    signed: SignedHead | None
    tree: Frontier
    position: int


class Sealer:
    """One process's sealer. Start it in the loop that the pool belongs to."""

    def __init__(self, pool: AsyncConnectionPool[Connection], signal: Signal, sealing: Sealing) -> None:
        self._pool = pool
        self._signal = signal
        self._sealing = sealing
        self._keys: SealKeys | None = None
        self._known: SignedHead | None = None
        self._task: asyncio.Task[None] | None = None
        self._complaint = ""

    async def start(self) -> None:
        """Begin to seal."""
        self._task = asyncio.create_task(self._run(), name="sealer")

    async def stop(self) -> None:
        """Seal what was appended last, if the database lets us at once, and stop."""
        await end(self._task)
        with suppress(TimeoutError, LogUnavailableError, SealError, SealKeyError, psycopg.Error):
            async with asyncio.timeout(LAST_CYCLE_S):
                await self.cycle()

    async def cycle(self) -> bool:
        """Seal what is not sealed yet; return whether there may be more.

        Raises:
            LogUnavailableError: the database is away.
            SealError: the seals in the database cannot be gone on with.
            SealKeyError: the key cannot be used.
        """
        async with borrowed(self._pool) as connection, connection.transaction():
            if not (await fetch_rows(connection, schema.TRY_SEAL_LOCK, {}))[0]["held"]:
                return False
            before = tip = await self._tip(connection)
            leaves: list[Leaf] = []
            for _ in range(MAX_SEALS):
                leaves = await _leaves_after(connection, tip.position)
                if leaves:
                    tip = await self._seal(connection, tip, leaves)
                if len(leaves) < MAX_EVENTS:
                    break
        # Only now: a head that is kept outside must never be ahead of the database.
        if tip.signed is not None and tip is not before:
            await self._keep(tip.signed, tip.tree)
        return len(leaves) == MAX_EVENTS

    async def _run(self) -> None:
        while True:
            more = False
            try:
                more = await self.cycle()
            except LogUnavailableError as error:
                logger.warning("cannot seal at the moment: %s", error)
            except (SealError, SealKeyError, psycopg.Error) as error:
                self._complain(str(error))
            else:
                self._complaint = ""
            if not more:
                await self._signal.wait(POLL_S)
                await asyncio.sleep(self._sealing.every_s)

    def _complain(self, complaint: str) -> None:
        if complaint != self._complaint:
            logger.error("the log is not being sealed: %s", complaint)
        self._complaint = complaint

    async def _tip(self, connection: Connection) -> Tip:
        """Return the last seal, once it is certain that it is ours and goes on from what we knew."""
        log_id = str((await fetch_rows(connection, schema.LOG_ID, {}))[0]["id"])
        row = await last_seal(connection)
        keys = self._present_keys(begins=row is None)
        if self._known is None:
            self._known = read_head(self._sealing.head_file, keys)
        if row is None:
            if self._known is not None:
                raise SealError(f"the database has no seals, but {self._what_was_kept(self._known)}")
            return Tip(log_id, None, Frontier(), stored_events.FIRST)
        seal = judge(row, keys, log_id)
        if seal.signed is None or seal.tree is None or seal.problems:
            raise SealError(f"its last seal cannot be gone on from: {seal.problems[0]}. Run `seal verify`")
        if self._known is not None:
            await self._compare(connection, self._known)
        return Tip(log_id, seal.signed, seal.tree, seal.signed.head.position)

    def _present_keys(self, *, begins: bool) -> SealKeys:
        if self._keys is None:
            path = self._sealing.key_file
            if path.exists():
                self._keys = read_keys(path)
            elif not begins:
                raise SealError(f"it was sealed with a key that this process does not have; put it at {path}")
            elif self._sealing.head_file.exists():
                raise SealError(f"there is {self._sealing.head_file}, but neither its key {path} nor any seal")
            else:
                try:
                    self._keys = create_keys(path)
                except OSError as error:
                    raise SealKeyError(f"cannot make the key {path}: {error}") from None
                logger.info("made the key of seals, %s; keep a copy of it in a safe place", path)
        return self._keys

    async def _compare(self, connection: Connection, known: SignedHead) -> None:
        """Make sure that the head that was kept outside is still one of the seals."""
        rows = await fetch_rows(connection, schema.SEAL, {"number": known.head.number})
        if not rows or rows[0]["head"] != known.head.text():
            raise SealError(f"the database's seals contradict what was sealed: {self._what_was_kept(known)}")

    def _what_was_kept(self, known: SignedHead) -> str:
        return (
            f"{self._sealing.head_file} holds seal {known.head.number} of log {known.head.log_id}, up to position"
            f" {known.head.position}. Run `seal verify`; if the database was replaced or restored on purpose,"
            " stop the service, move that file away and start again"
        )

    async def _seal(self, connection: Connection, tip: Tip, leaves: list[Leaf]) -> Tip:
        keys = self._present_keys(begins=True)
        tree = Frontier(tip.tree.size, tip.tree.peaks)
        for _, leaf in leaves:
            tree.push(leaf)
        runs, hashes = to_runs([position for position, _ in leaves]), b"".join(leaf for _, leaf in leaves)
        head = Head(
            log_id=tip.log_id,
            number=tip.signed.head.number + 1 if tip.signed else 1,
            size=tree.size,
            root=tree.root().hex(),
            position=leaves[-1][0],
            entries=entries_hash(runs, hashes),
            previous=tip.signed.hash if tip.signed else NOTHING_BEFORE,
            sealed_at=to_iso(datetime.now(UTC)),
            key=keys.id,
        )
        signed = sign(keys, head)
        await connection.execute(schema.INSERT_SEAL, Seal(signed, runs, hashes, b"".join(tree.peaks)).row())
        return Tip(tip.log_id, signed, tree, head.position)

    async def _keep(self, signed: SignedHead, tree: Frontier) -> None:
        self._known = signed
        try:
            await asyncio.to_thread(write_head, self._sealing.head_file, signed, tree)
        except OSError as error:
            logger.warning("cannot keep the last seal outside the database: %s", error)


async def _leaves_after(connection: Connection, position: int) -> list[Leaf]:
    """Return the next events' leaves, enough for one seal."""
    leaves: list[Leaf] = []
    cursor = stored_events.raw_cursor(connection)
    while len(leaves) < MAX_EVENTS:
        await cursor.execute(stored_events.AFTER, (position, CHUNK), binary=True)
        rows = await cursor.fetchall()
        leaves += stored_events.to_leaves(rows)
        if len(rows) < CHUNK:
            break
        position = leaves[-1][0]
    return leaves
