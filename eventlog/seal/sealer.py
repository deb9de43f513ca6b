"""The sealer: follows the log and seals it once a second while events arrive.

First the last seal in the database, at which sealing continues, compared with the head kept outside
(`TipStore`); then the `Sealer`.

A seal is a signed Merkle head over the log. Each cycle is one short transaction under an advisory
lock, and seals the events from the last seal up to the log's end; a process that does not get the
lock does nothing. The last head is also kept in a file outside the database. After a kill, this or
another process continues by the two. The append lock is never taken.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg_pool import AsyncConnectionPool
from typing_extensions import ReadOnly, TypedDict

from domain.clock import to_iso
from domain.errors import LogUnavailableError
from eventlog.archive.stored_bytes import raw_after
from eventlog.database import sql
from eventlog.database.connection import borrowed
from eventlog.database.listener import Signal
from eventlog.encoding import FIRST
from eventlog.seal.keys import SealKeyError, SealKeys, create_keys, read_keys
from eventlog.seal.seal import (
    INSERT_SEAL,
    NO_PREVIOUS,
    SEALED_HEAD,
    TIP,
    TRY_SEAL_LOCK,
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
    verified_head,
    write_head,
)
from eventlog.seal.tree import LEAVES_AFTER, Frontier, to_leaves
from projections.rows import Connection, read_first, read_value
from runtime.tasks import Supervised, Supervision

logger = logging.getLogger(__name__)


class _LogId(TypedDict):
    id: ReadOnly[str]


@dataclass(frozen=True)
class Sealing:
    """Settings of a process that seals.

    Attributes:
        key_file: the file of the key; created with the log's first seal if it is missing.
        head_file: the file of the last head.
        every_s: pause between cycles, in seconds.
    """

    key_file: Path
    head_file: Path
    every_s: float = 1.0


@dataclass(frozen=True)
class Tip:
    """The last seal, at which sealing continues.

    Attributes:
        log_id: the log's id.
        signed: the seal's head; None before the first seal.
        tree: its tree, which must not be changed.
    """

    log_id: str
    signed: SignedHead | None
    tree: Frontier

    @property
    def position(self) -> int:
        """The last position that is sealed."""
        if self.signed is None:
            return FIRST
        return self.signed.head.position


class TipStore:
    """Reads the tip from the database, and keeps it in memory and in a file."""

    def __init__(self, sealing: Sealing) -> None:
        self._sealing = sealing
        self._keys: SealKeys | None = None
        self._tip: Tip | None = None

    @property
    def keys(self) -> SealKeys:
        """The keys, once a tip has been read."""
        if self._keys is None:
            raise SealKeyError("no key has been read yet")
        return self._keys

    async def read(self, connection: Connection) -> Tip:
        """Return the tip, after checking its signature and that it continues the kept head.

        Raises:
            SealError: the check fails.
            SealKeyError: the key is missing.
        """
        cursor = await connection.execute(TIP)
        row = await cursor.fetchone()
        if row is None:
            return await self._first_tip(connection)
        if self._tip is not None and _is_row_of(self._tip, row):
            return self._tip
        keys = self._load_keys()
        try:
            signed = verified_head(keys, str(row["head"]), as_bytes(row["signature"]))
            tree = tree_of(signed.head, as_bytes(row["peaks"]))
        except SealError as error:
            message = f"its last seal, {row['number']}, cannot be continued: {error}"
            raise SealError(message) from None
        head = signed.head
        if (head.number, head.log_id) != (row["number"], row["log_id"]):
            raise SealError(f"its last seal is seal {head.number} of log {head.log_id}: altered")
        await self._compare(connection)
        return Tip(row["log_id"], signed, tree)

    async def _first_tip(self, connection: Connection) -> Tip:
        """Return the tip of a log without seals."""
        self._load_or_create_keys()
        kept_head = self._read_kept_head()
        if kept_head is not None:
            raise SealError(f"the database has no seals, but {self._describe_kept(kept_head)}")
        row = await read_first(connection, _LogId, sql.LOG_ID)
        log_id = "" if row is None else row["id"]
        return Tip(log_id, None, Frontier())

    async def keep(self, tip: Tip) -> None:
        """Keep a committed tip, in memory and in the file."""
        if tip.signed is None or tip is self._tip:
            return
        self._tip = tip
        try:
            await asyncio.to_thread(write_head, self._sealing.head_file, tip.signed, tip.tree)
        except OSError as error:
            logger.warning("cannot keep the last seal outside the database: %s", error)

    def _load_keys(self) -> SealKeys:
        if self._keys is None:
            if not self._sealing.key_file.exists():
                path = self._sealing.key_file
                raise SealError(
                    f"it was sealed with a key that this process does not have; put it at {path}"
                )
            self._keys = read_keys(self._sealing.key_file)
        return self._keys

    def _load_or_create_keys(self) -> None:
        """Read the key of a log that has no seal, or create it."""
        path = self._sealing.key_file
        if self._keys is not None or path.exists():
            self._load_keys()
        elif self._sealing.head_file.exists():
            raise SealError(
                f"there is {self._sealing.head_file}, but neither its key {path} nor any seal"
            )
        else:
            try:
                self._keys = create_keys(path)
            except OSError as error:
                raise SealKeyError(f"cannot create the key {path}: {error}") from None
            logger.info("created the key of seals, %s; keep a copy of it in a safe place", path)

    async def _compare(self, connection: Connection) -> None:
        """Check that the kept head is still one of the seals."""
        kept_head = self._read_kept_head()
        if kept_head is None:
            return
        cursor = await connection.execute(SEALED_HEAD, (kept_head.head.number,))
        row = await cursor.fetchone()
        if row is None or row["head"] != kept_head.head.text():
            raise SealError(
                f"the database's seals contradict what was sealed: {self._describe_kept(kept_head)}"
            )

    def _read_kept_head(self) -> SignedHead | None:
        """Return the last head that this process has kept, else the one in the file, if any."""
        if self._tip is not None:
            return self._tip.signed
        return read_head(self._sealing.head_file, self.keys)

    def _describe_kept(self, kept: SignedHead) -> str:
        return (
            f"{self._sealing.head_file} holds seal {kept.head.number} of log {kept.head.log_id},"
            f" up to position {kept.head.position}. Run `seal verify`; if the database was"
            " replaced or restored on purpose, stop the service, move that file away and start"
            " again"
        )


def _is_row_of(tip: Tip, row: Mapping[str, object]) -> bool:
    """Return whether a row of `log_seals` is the tip's."""
    if tip.signed is None:
        return False
    is_same_head = row["head"] == tip.signed.head.text()
    return is_same_head and row["signature"] == tip.signed.signature


MAX_EVENTS = 1_000
"""Events under one seal; if its hashes are destroyed, a check is uncertain about no more events."""

MAX_SEALS = 10
"""Seals in one transaction, when many events are unsealed."""

POLL_S = 1.0
"""Longest delay of a cycle if a notification was lost."""

LAST_CYCLE_S = 5.0
"""How long the sealing of the last events may delay a stop."""


class Sealer:
    """The sealer of a process. Start it in the event loop that the pool belongs to."""

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
        self._tip_store = TipStore(sealing)
        self._task: Supervised | None = None
        self._last_error = ""

    async def start(self, supervision: Supervision) -> None:
        """Begin to seal."""
        self._task = supervision.start("sealer", self._run)

    async def stop(self) -> None:
        """Seal the last events if that takes no more than `LAST_CYCLE_S`, and stop."""
        if self._task is not None:
            await self._task.end()
        with suppress(TimeoutError, LogUnavailableError, SealError, SealKeyError, psycopg.Error):
            async with asyncio.timeout(LAST_CYCLE_S):
                await self.cycle()

    async def cycle(self) -> bool:
        """Seal the unsealed events; return whether there may be more.

        Raises:
            LogUnavailableError: the database is away.
            SealError: the seals in the database cannot be continued.
            SealKeyError: the key cannot be used.
        """
        count = 0
        async with borrowed(self._pool) as connection, connection.transaction():
            if not await read_value(connection, bool, TRY_SEAL_LOCK):
                return False
            tip = await self._tip_store.read(connection)
            for _ in range(MAX_SEALS):
                positions, leaves = await _leaves_after(connection, self._archive, tip.position)
                count = len(positions)
                if positions:
                    seal, tip = next_seal(self._tip_store.keys, tip, positions, leaves)
                    await connection.execute(INSERT_SEAL, seal.row())
                if count < MAX_EVENTS:
                    break
        # After the commit: the kept head must never be ahead of the database.
        await self._tip_store.keep(tip)
        return count == MAX_EVENTS

    async def _run(self) -> None:
        while True:
            more = False
            try:
                more = await self.cycle()
            except LogUnavailableError as error:
                logger.warning("cannot seal at the moment: %s", error)
            except (SealError, SealKeyError, psycopg.Error) as error:
                self._log_error(str(error))
            else:
                self._last_error = ""
            if not more:
                await self._signal.wait(POLL_S)
                await asyncio.sleep(self._every_s)

    def _log_error(self, message: str) -> None:
        if message != self._last_error:
            logger.error("the log is not being sealed: %s", message)
        self._last_error = message


def next_seal(
    keys: SealKeys, tip: Tip, positions: Sequence[int], leaves: bytes
) -> tuple[Seal, Tip]:
    """Return the seal of the events that follow a tip, and the new tip."""
    tree = Frontier(tip.tree.size, tip.tree.peaks)
    tree.push_all(split(leaves))
    runs = to_runs(positions)
    number = 1
    previous = NO_PREVIOUS
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
    """Return the positions of the next events for one seal, and their leaf hashes concatenated."""
    cursor = connection.cursor(binary=True)
    await cursor.execute(LEAVES_AFTER, {"after": position, "limit": MAX_EVENTS})
    row = await cursor.fetchone()
    if row is None:
        return [], b""
    archived_to = row["archived_to"]
    if archived_to is None or archived_to <= position:
        return row["positions"] or [], row["leaves"] or b""
    leaves = to_leaves(await raw_after(connection, archive, position, MAX_EVENTS))
    return [leaf_position for leaf_position, _ in leaves], b"".join(leaf for _, leaf in leaves)
