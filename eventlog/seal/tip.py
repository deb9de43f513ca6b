"""Where sealing goes on: the last seal in the database, compared with the one kept outside."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import ReadOnly, TypedDict

from eventlog.database import sql
from eventlog.encoding.columns import FIRST
from eventlog.keys.sealing import SealKeyError, SealKeys, create_keys, read_keys
from eventlog.seal import statements
from eventlog.seal.head_files import read_head, write_head
from eventlog.seal.merkle import Frontier
from eventlog.seal.rows import as_bytes
from eventlog.seal.seal import SealError, SignedHead, tree_of, trusted
from projections.rows import Connection, read_first

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
        cursor = await connection.execute(statements.TIP)
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
            raise SealError(
                f"its last seal is seal {head.number} of log {head.log_id}: altered"
            )
        await self._compare(connection)
        return Tip(row["log_id"], signed, tree)

    async def _beginning(self, connection: Connection) -> Tip:
        """Return the tip of a log without seals."""
        self._first_keys()
        known = self._known()
        if known is not None:
            message = f"the database has no seals, but {self._kept(known)}"
            raise SealError(message)
        row = await read_first(connection, _LogId, sql.LOG_ID)
        log_id = "" if row is None else row["id"]
        return Tip(log_id, None, Frontier())

    async def keep(self, tip: Tip) -> None:
        """Keep a tip that was committed, here and in the file."""
        if tip.signed is None or tip is self._tip:
            return
        self._tip = tip
        try:
            await asyncio.to_thread(
                write_head, self._sealing.head_file, tip.signed, tip.tree
            )
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
                message = f"cannot make the key {path}: {error}"
                raise SealKeyError(message) from None
            logger.info(
                "made the key of seals, %s; keep a copy of it in a safe place", path
            )

    async def _compare(self, connection: Connection) -> None:
        """Make sure that the head that was kept outside is still one of the seals."""
        known = self._known()
        if known is None:
            return
        cursor = await connection.execute(statements.SEALED_HEAD, (known.head.number,))
        row = await cursor.fetchone()
        if row is None or row["head"] != known.head.text():
            raise SealError(
                f"the database's seals contradict what was sealed: {self._kept(known)}"
            )

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
