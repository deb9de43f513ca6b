"""Ships logs of runs from the worker's disk to an object store.

First the spool, a directory in which logs are kept until the store has them; then the `Shipper`,
which puts a log into the store in chunks while its attempt runs, and as a whole at the end.
"""

import asyncio
import fcntl
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

from runtime.files import make_private_directory
from runtime.tasks import Supervision, end_tasks, start_once
from worker.logs.object_store import CHUNK_BYTES, ObjectLogs
from worker.logs.run_logs import RunLogsUnavailableError

LOCK = "lock"


class Spool:
    """A directory of logs that this process has locked. `create` and `take_over` make spools.

    If the worker is killed, the kernel releases the lock, and another process may take over the
    spool. A supervisor locks the file that it writes, and may outlive its worker by a moment.
    """

    def __init__(self, directory: Path, lock: IO[bytes]) -> None:
        self._directory = directory
        self._lock = lock

    @classmethod
    def create(cls, root: Path) -> "Spool":
        """Return a new spool below a directory that all workers of a host share."""
        make_private_directory(root)
        directory = root / uuid4().hex
        with _lock_root(root):
            directory.mkdir(mode=0o700)
            lock = (directory / LOCK).open("ab")
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return cls(directory, lock)

    @classmethod
    def take_over(cls, root: Path) -> list["Spool"]:
        """Take over the spools of workers that have ended, and return them."""
        with _lock_root(root):
            spools = [
                (directory, _lock_if_abandoned(directory))
                for directory in root.iterdir()
                if directory.is_dir()
            ]
        return [cls(directory, lock) for directory, lock in spools if lock is not None]

    def path(self, name: str) -> Path:
        """Return the path of a log. There are no subdirectories, which others might remove."""
        return self._directory / name.replace("/", "~")

    def names(self) -> list[str]:
        """Return the names of the logs, in order."""
        return sorted(path.name.replace("~", "/") for path in self._directory.glob("*.log"))

    def read(self, name: str, start: int, limit: int) -> bytes:
        """Return at most `limit` bytes of a log from `start` on; none if it does not exist yet."""
        try:
            with self.path(name).open("rb") as file:
                file.seek(start)
                return file.read(limit)
        except FileNotFoundError:
            return b""

    def read_ended(self, name: str) -> bytes | None:
        """Return a complete log; None while its supervisor may still write to it."""
        try:
            with self.path(name).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return file.read()
        except FileNotFoundError:
            return b""
        except BlockingIOError:
            return None

    def remove(self, name: str) -> None:
        """Remove a log, once the store has it."""
        self.path(name).unlink(missing_ok=True)

    def close(self) -> None:
        """Release the lock; remaining logs are left to the next worker."""
        with self._lock, _lock_root(self._directory.parent):
            if not self.names():
                (self._directory / LOCK).unlink(missing_ok=True)
                with suppress(OSError):  # Not empty after all.
                    self._directory.rmdir()


@contextmanager
def _lock_root(root: Path) -> Iterator[None]:
    """Hold the lock under which spools are made, taken over and removed."""
    with (root / LOCK).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _lock_if_abandoned(directory: Path) -> IO[bytes] | None:
    try:
        lock = (directory / LOCK).open("ab")
    except PermissionError:
        return None  # It belongs to another user, whose workers take it over.
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


logger = logging.getLogger(__name__)

GATHER_S = 1.0
"""How long output is gathered for the first chunk; each next one takes 1.3 times as long."""

MAX_GATHER_S = 10.0

GATHER_FACTOR = 1.3

END_TIMEOUT_S = 3.0
"""How long the end of an attempt, or of a worker, waits for an unreachable store."""

RETRY_PAUSE_S = 1.0
"""The first pause before logs that could not be shipped are tried again; it doubles."""

MAX_RETRY_PAUSE_S = 10.0


class Shipper:
    """Implements `worker.logs.run_logs.LogKeeper`."""

    def __init__(self, store: ObjectLogs, spools: Path) -> None:
        self._store = store
        self._spools = spools
        self._spool = Spool.create(spools)
        self._abandoned_spools: list[Spool] = []
        self._shipping: dict[str, asyncio.Task[None]] = {}
        # The logs that could not be shipped when they were last tried; the others come first.
        self._failed: set[str] = set()

    @asynccontextmanager
    async def keep(self, name: str) -> AsyncIterator[Path]:
        """Provide a file of the spool; afterwards, wait a moment until the store has all of it."""
        over = asyncio.Event()
        task = start_once(f"shipping {name}", self._ship_as_it_grows(name, over))
        self._shipping[name] = task
        task.add_done_callback(lambda _: self._shipping.pop(name))
        try:
            yield self._spool.path(name)
        finally:
            over.set()
        await asyncio.wait([task], timeout=END_TIMEOUT_S)
        if not task.done():
            logger.warning("%s will be in its store later: no answer in time", name)

    async def run(self) -> None:
        """Ship remaining logs, also those of killed workers, again and again."""
        pause_s = RETRY_PAUSE_S
        while True:
            try:
                await self._ship_remaining()
                pause_s = RETRY_PAUSE_S
            except (RunLogsUnavailableError, OSError) as error:
                logger.warning("logs of runs wait for their store: %s", error)
                pause_s = min(MAX_RETRY_PAUSE_S, pause_s * 2)
            await asyncio.sleep(pause_s)

    async def aclose(self) -> None:
        """Ship what can be shipped soon; leave the rest to the next worker with this directory."""
        try:
            async with asyncio.timeout(END_TIMEOUT_S):
                if self._shipping:
                    await asyncio.wait(self._shipping.values())
                await self._ship_remaining()
        except (RunLogsUnavailableError, OSError) as error:
            logger.warning(
                "logs of runs are left to the next worker with this data directory: %r", error
            )
        await end_tasks(*self._shipping.values())
        for spool in [self._spool, *self._abandoned_spools]:
            spool.close()

    async def _ship_as_it_grows(self, name: str, over: asyncio.Event) -> None:
        """Ship a log in chunks while it is written, then as a whole; after an error, `run` does."""
        try:
            had_chunks = await self._ship_chunks(name, over)
            await self._ship(self._spool, name, had_chunks=had_chunks)
        except (RunLogsUnavailableError, OSError) as error:
            logger.warning("%s will be in its store later: %s", name, error)

    async def _ship_chunks(self, name: str, over: asyncio.Event) -> bool:
        """Ship new output until the attempt is over; return whether the store may have chunks."""
        shipped_bytes = 0
        may_have_chunks = False
        gather_s = GATHER_S
        wait_s = gather_s
        while not await _wait_for(over, wait_s):
            wait_s = gather_s
            start = shipped_bytes - shipped_bytes % CHUNK_BYTES
            content = await asyncio.to_thread(self._spool.read, name, start, CHUNK_BYTES)
            if start + len(content) <= shipped_bytes:
                continue
            may_have_chunks = True
            try:
                await self._store.put_chunk(name, start, content)
            except RunLogsUnavailableError as error:
                logger.warning("what %s prints does not reach its store for now: %s", name, error)
                continue
            shipped_bytes = start + len(content)
            if len(content) == CHUNK_BYTES:
                wait_s = 0  # There may be more output already.
            gather_s = min(MAX_GATHER_S, gather_s * GATHER_FACTOR)
        return may_have_chunks

    async def _ship(self, spool: Spool, name: str, *, had_chunks: bool = True) -> None:
        content = await asyncio.to_thread(spool.read_ended, name)
        if content is None:
            return
        if content:
            await self._store.put(name, content)
            if had_chunks:
                await self._store.remove_chunks(name, len(content))
        spool.remove(name)

    async def _ship_remaining(self) -> None:
        """Ship the logs of ended attempts that are still in a spool."""
        self._abandoned_spools += Spool.take_over(self._spools)
        for spool in list(self._abandoned_spools):
            if not spool.names():
                self._abandoned_spools.remove(spool)
                spool.close()
        remaining = [
            (spool, name)
            for spool in (self._spool, *self._abandoned_spools)
            for name in spool.names()
            if name not in self._shipping
        ]
        # A log that the store refuses must not delay the others.
        remaining.sort(key=lambda log: log[1] in self._failed)
        for spool, name in remaining:
            self._failed.add(name)
            await self._ship(spool, name)
            self._failed.discard(name)


async def _wait_for(event: asyncio.Event, timeout_s: float) -> bool:
    """Wait for an event, for `timeout_s` seconds at most; return whether it is set."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True


@asynccontextmanager
async def run_shipper(
    store: ObjectLogs, spools: Path, supervision: Supervision
) -> AsyncIterator[Shipper]:
    """Run a shipper inside the block."""
    shipper = Shipper(store, spools)
    task = supervision.start("logs that wait", shipper.run)
    try:
        yield shipper
    finally:
        await task.end()
        await shipper.aclose()
