"""The sealer: follows the log and seals it once a second while events arrive.

A seal is a signed Merkle head over the log. Each cycle is one short transaction under an advisory
lock of its own, from the last seal in the table to the log's end: whoever gets the lock seals, the
others find it done. Nothing is kept between cycles but the last head, in a file outside the
database, so after a kill it, or another process, just goes on. The append lock is never touched.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg_pool import AsyncConnectionPool

from domain.clock import to_iso
from domain.errors import LogUnavailableError
from eventlog.database.connection import borrowed
from eventlog.database.listener import Signal
from eventlog.keys.sealing import SealKeyError, SealKeys
from eventlog.seal import leaves as stored_events
from eventlog.seal import statements
from eventlog.seal.leaves import to_leaves
from eventlog.seal.merkle import Frontier
from eventlog.seal.raw_log import raw_after
from eventlog.seal.seal import (
    NOTHING_BEFORE,
    Head,
    Seal,
    SealError,
    entries_hash,
    sign,
    split,
    to_runs,
)
from eventlog.seal.tip import Sealing, Tip, Tips
from projections.rows import Connection, read_value
from runtime.supervision import Supervised, Supervision

logger = logging.getLogger(__name__)

MAX_EVENTS = 1_000
"""Events under one seal: the most that a seal whose own hashes were destroyed leaves in doubt."""

MAX_SEALS = 10
"""Seals in one transaction, when there is much to catch up with."""

POLL_S = 1.0
"""The longest an event waits for its cycle to begin when its notification is lost."""

LAST_CYCLE_S = 5.0
"""How long a stop may take to seal what was appended last."""


class Sealer:
    """One process's sealer. Start it in the loop that the pool belongs to."""

    def __init__(
        self,
        pool: AsyncConnectionPool[Connection],
        archive: Path | None,
        signal: Signal,
        sealing: Sealing,
    ) -> None:
        self._pool = pool
        self._archive = archive
        self._signal = signal
        self._every_s = sealing.every_s
        self._tips = Tips(sealing)
        self._task: Supervised | None = None
        self._complaint = ""

    async def start(self, supervision: Supervision) -> None:
        """Begin to seal."""
        self._task = supervision.start("sealer", self._run)

    async def stop(self) -> None:
        """Seal what was appended last, if the database lets us at once, and stop."""
        if self._task is not None:
            await self._task.end()
        with suppress(
            TimeoutError, LogUnavailableError, SealError, SealKeyError, psycopg.Error
        ):
            async with asyncio.timeout(LAST_CYCLE_S):
                await self.cycle()

    async def cycle(self) -> bool:
        """Seal what is not sealed yet; return whether there may be more.

        Raises:
            LogUnavailableError: the database is away.
            SealError: the seals in the database cannot be continued.
            SealKeyError: the key cannot be used.
        """
        count = 0
        async with borrowed(self._pool) as connection, connection.transaction():
            if not await read_value(connection, bool, statements.TRY_SEAL_LOCK):
                return False
            tip = await self._tips.read(connection)
            for _ in range(MAX_SEALS):
                positions, leaves = await _leaves_after(
                    connection, self._archive, tip.position
                )
                count = len(positions)
                if positions:
                    seal, tip = next_seal(self._tips.keys, tip, positions, leaves)
                    await connection.execute(statements.INSERT_SEAL, seal.row())
                if count < MAX_EVENTS:
                    break
        # Only now: a head that is kept outside must never be ahead of the database.
        await self._tips.keep(tip)
        return count == MAX_EVENTS

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
                await asyncio.sleep(self._every_s)

    def _complain(self, complaint: str) -> None:
        if complaint != self._complaint:
            logger.error("the log is not being sealed: %s", complaint)
        self._complaint = complaint


def next_seal(
    keys: SealKeys, tip: Tip, positions: Sequence[int], leaves: bytes
) -> tuple[Seal, Tip]:
    """Return the seal over the events that follow a tip, and the tip that it is."""
    tree = Frontier(tip.tree.size, tip.tree.peaks)
    tree.push_all(split(leaves))
    runs = to_runs(positions)
    number = 1
    previous = NOTHING_BEFORE
    if tip.signed is not None:
        number = tip.signed.head.number + 1
        previous = tip.signed.hash
    head = Head(
        log_id=tip.log_id,
        number=number,
        size=tree.size,
        root=tree.root().hex(),
        position=positions[-1],
        entries=entries_hash(runs, leaves),
        previous=previous,
        sealed_at=to_iso(datetime.now(UTC)),
        key=keys.id,
    )
    signed = sign(keys, head)
    peaks = b"".join(tree.peaks)
    seal = Seal(signed, runs, leaves, peaks)
    return seal, Tip(tip.log_id, signed, tree)


async def _leaves_after(
    connection: Connection, archive: Path | None, position: int
) -> tuple[list[int], bytes]:
    """Return the positions and leaf hashes of the next events, enough for one seal."""
    cursor = connection.cursor(binary=True)
    values = {"after": position, "limit": MAX_EVENTS}
    await cursor.execute(stored_events.LEAVES_AFTER, values)
    row = await cursor.fetchone()
    if row is None:
        return [], b""
    archived_to = row["archived_to"]
    if archived_to is None or archived_to <= position:
        positions = row["positions"] or []
        hashes = row["leaves"] or b""
        return positions, hashes
    rows = await raw_after(connection, archive, position, MAX_EVENTS)
    leaves = to_leaves(rows)
    positions = [place for place, _ in leaves]
    hashes = b"".join(leaf for _, leaf in leaves)
    return positions, hashes
