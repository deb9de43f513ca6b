"""The sealer: follows the log and seals it once a second while events arrive.

First the whole log as stored bytes, the table merged with the archives; then where sealing
continues: the last seal in the database, compared with the head kept outside (`Tips`); then the
`Sealer`.

A seal is a signed Merkle head over the log. Each cycle is one short transaction under an advisory
lock of its own, from the last seal in the table to the log's end: the process that gets the lock
seals, the others find it done. Nothing is kept between cycles but the last head, in a file outside
the database, so after a kill it, or another process, just continues. The append lock is never
touched.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg_pool import AsyncConnectionPool
from typing_extensions import ReadOnly, TypedDict

from domain.clock import to_iso
from domain.errors import LogUnavailableError
from eventlog import encoding
from eventlog.archive.reading import events_between
from eventlog.database import sql
from eventlog.database.connection import borrowed
from eventlog.database.listener import Signal
from eventlog.encoding import FIRST, RawRow, read_event
from eventlog.keys import SealKeyError, SealKeys, create_keys, read_keys
from eventlog.seal import seal
from eventlog.seal import seal as statements
from eventlog.seal import tree as stored_events
from eventlog.seal.seal import (
    NOTHING_BEFORE,
    Head,
    Seal,
    SealError,
    SignedHead,
    as_bytes,
    entries_hash,
    read_head,
    sign,
    split,
    to_runs,
    tree_of,
    trusted,
    write_head,
)
from eventlog.seal.tree import Frontier, position_of, to_leaves
from projections.rows import Connection, read_first, read_value
from runtime.tasks import Supervised, Supervision


async def raw_chunks(
    connection: Connection, archive: Path | None, size: int
) -> AsyncGenerator[list[RawRow]]:
    """Yield all events in the order of positions, some at a time.

    It needs a transaction; use it in `aclosing`.

    Raises:
        ArchiveError: an archive cannot be read.
    """
    async with (
        encoding.raw_stream(connection, "events") as cursor,
        aclosing(_archived(connection, archive)) as archived,
    ):
        await cursor.execute(encoding.ALL, binary=True)
        stored: list[RawRow] = []
        kept: list[RawRow] = []
        more_stored = True
        more_kept = True
        while True:
            if more_stored and not stored:
                stored = await cursor.fetchmany(size)
                more_stored = bool(stored)
            if more_kept and not kept:
                kept = await anext(archived, [])
                more_kept = bool(kept)
            if not stored and not kept:
                return
            if stored and kept:
                ready, stored, kept = _merged(stored, kept)
                yield ready
            else:
                yield stored or kept
                stored = []
                kept = []


def _merged(
    stored: list[RawRow], kept: list[RawRow]
) -> tuple[list[RawRow], list[RawRow], list[RawRow]]:
    """Return, of two chunks, what no later event can come before, and what is left of each."""
    bound = min(position_of(stored[-1]), position_of(kept[-1]))
    ready: list[RawRow] = []
    stored_later = _split(stored, bound, ready)
    kept_later = _split(kept, bound, ready)
    ready.sort(key=position_of)
    return ready, stored_later, kept_later


def _split(rows: list[RawRow], bound: int, ready: list[RawRow]) -> list[RawRow]:
    """Add those up to the bound to what is ready; return those beyond."""
    later: list[RawRow] = []
    for row in rows:
        if position_of(row) <= bound:
            ready.append(row)
        else:
            later.append(row)
    return later


async def raw_after(
    connection: Connection, archive: Path | None, position: int, limit: int
) -> list[RawRow]:
    """Return the next events after a position, at most `limit`.

    Raises:
        ArchiveError: an archive cannot be read.
    """
    cursor = encoding.raw_cursor(connection)
    await connection.execute(encoding.UTF8)
    await cursor.execute(encoding.NEXT, {"after": position, "limit": limit}, binary=True)
    # The log first: an event that is archived meanwhile is in both, and none is in neither.
    stored = await cursor.fetchall()
    rows = {position_of(row): row for row in stored}
    last = max(rows, default=position)
    count = 0
    async with aclosing(_archived(connection, archive, position, last)) as archived:
        async for chunk in archived:
            for row in chunk:
                place = position_of(row)
                rows[place] = row
            count += len(chunk)
            if count >= limit:
                break
    next_places = sorted(rows)[:limit]
    return [rows[place] for place in next_places]


async def _archived(
    connection: Connection, archive: Path | None, after: int = FIRST, until: int | None = None
) -> AsyncGenerator[list[RawRow]]:
    async with aclosing(events_between(connection, archive, after, until)) as chunks:
        async for chunk in chunks:
            yield [read_event(document) for document in chunk]


logger = logging.getLogger(__name__)


class _LogId(TypedDict):
    id: ReadOnly[str]


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


@dataclass(frozen=True)
class Tip:
    """The last seal, None before the first, and the tree up to it, which must not be changed."""

    log_id: str
    signed: SignedHead | None
    tree: Frontier

    @property
    def position(self) -> int:
        """Return the last position that is sealed."""
        if self.signed is None:
            return FIRST
        return self.signed.head.position


class Tips:
    """Reads the tip, and keeps it."""

    def __init__(self, sealing: Sealing) -> None:
        self._sealing = sealing
        self._keys: SealKeys | None = None
        self._tip: Tip | None = None

    @property
    def keys(self) -> SealKeys:
        """The keys; there are some once a tip has been read."""
        if self._keys is None:
            raise SealKeyError("no key has been read yet")
        return self._keys

    async def read(self, connection: Connection) -> Tip:
        """Return the tip, once it is certain that we sealed it and that it follows what we knew.

        Raises:
            SealError: it does not.
            SealKeyError: there is no key to go on with.
        """
        cursor = await connection.execute(seal.TIP)
        row = await cursor.fetchone()
        if row is None:
            return await self._beginning(connection)
        if self._tip is not None and _is_of(self._tip, row):
            return self._tip
        keys = self._present_keys()
        try:
            signature = as_bytes(row["signature"])
            peaks = as_bytes(row["peaks"])
            signed = trusted(keys, str(row["head"]), signature)
            tree = tree_of(signed.head, peaks)
        except SealError as error:
            raise SealError(
                f"its last seal, {row['number']}, cannot be gone on from: {error}"
            ) from None
        head = signed.head
        is_of_row = head.number == row["number"]
        if not is_of_row or head.log_id != row["log_id"]:
            raise SealError(f"its last seal is seal {head.number} of log {head.log_id}: altered")
        await self._compare(connection)
        return Tip(row["log_id"], signed, tree)

    async def _beginning(self, connection: Connection) -> Tip:
        """Return the tip of a log without seals."""
        self._first_keys()
        known = self._known()
        if known is not None:
            raise SealError(f"the database has no seals, but {self._kept(known)}")
        row = await read_first(connection, _LogId, sql.LOG_ID)
        log_id = "" if row is None else row["id"]
        return Tip(log_id, None, Frontier())

    async def keep(self, tip: Tip) -> None:
        """Keep a tip that was committed, here and in the file."""
        if tip.signed is None or tip is self._tip:
            return
        self._tip = tip
        try:
            await asyncio.to_thread(write_head, self._sealing.head_file, tip.signed, tip.tree)
        except OSError as error:
            logger.warning("cannot keep the last seal outside the database: %s", error)

    def _present_keys(self) -> SealKeys:
        if self._keys is None:
            if not self._sealing.key_file.exists():
                place = self._sealing.key_file
                raise SealError(
                    f"it was sealed with a key that this process does not have; put it at {place}"
                )
            self._keys = read_keys(self._sealing.key_file)
        return self._keys

    def _first_keys(self) -> None:
        """Read the key of a log that has no seal, or make one."""
        path = self._sealing.key_file
        if self._keys is not None or path.exists():
            self._present_keys()
        elif self._sealing.head_file.exists():
            raise SealError(
                f"there is {self._sealing.head_file}, but neither its key {path} nor any seal"
            )
        else:
            try:
                self._keys = create_keys(path)
            except OSError as error:
                raise SealKeyError(f"cannot make the key {path}: {error}") from None
            logger.info("made the key of seals, %s; keep a copy of it in a safe place", path)

    async def _compare(self, connection: Connection) -> None:
        """Make sure that the head that was kept outside is still one of the seals."""
        known = self._known()
        if known is None:
            return
        cursor = await connection.execute(seal.SEALED_HEAD, (known.head.number,))
        row = await cursor.fetchone()
        if row is None or row["head"] != known.head.text():
            raise SealError(f"the database's seals contradict what was sealed: {self._kept(known)}")

    def _known(self) -> SignedHead | None:
        """Return the last head that this process, or one before it, has kept."""
        if self._tip is not None:
            return self._tip.signed
        return read_head(self._sealing.head_file, self.keys)

    def _kept(self, known: SignedHead) -> str:
        return (
            f"{self._sealing.head_file} holds seal {known.head.number} of log {known.head.log_id},"
            f" up to position {known.head.position}. Run `seal verify`; if the database was"
            " replaced or restored on purpose, stop the service, move that file away and start"
            " again"
        )


def _is_of(tip: Tip, row: Mapping[str, object]) -> bool:
    """Return whether a row of `log_seals` is the tip's."""
    if tip.signed is None:
        return False
    is_same_head = row["head"] == tip.signed.head.text()
    return is_same_head and row["signature"] == tip.signed.signature


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
        with suppress(TimeoutError, LogUnavailableError, SealError, SealKeyError, psycopg.Error):
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
                positions, leaves = await _leaves_after(connection, self._archive, tip.position)
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
    seal = Seal(signed, runs, leaves, b"".join(tree.peaks))
    return seal, Tip(tip.log_id, signed, tree)


async def _leaves_after(
    connection: Connection, archive: Path | None, position: int
) -> tuple[list[int], bytes]:
    """Return the positions and leaf hashes of the next events, enough for one seal."""
    cursor = connection.cursor(binary=True)
    await cursor.execute(stored_events.LEAVES_AFTER, {"after": position, "limit": MAX_EVENTS})
    row = await cursor.fetchone()
    if row is None:
        return [], b""
    archived_to = row["archived_to"]
    if archived_to is None or archived_to <= position:
        positions = row["positions"] or []
        hashes = row["leaves"] or b""
        return positions, hashes
    leaves = to_leaves(await raw_after(connection, archive, position, MAX_EVENTS))
    positions = [place for place, _ in leaves]
    hashes = b"".join(leaf for _, leaf in leaves)
    return positions, hashes
