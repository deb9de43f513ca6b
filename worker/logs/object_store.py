"""Run logs in an object store: an object for each execution that is over, chunks of one that runs.

A chunk begins at a multiple of CHUNK_BYTES. While it is not full it is put again, longer than
before; then the next one begins. Once the whole log is there, the chunks are removed. A reader that
does not find a chunk any more therefore finds the whole log, with the same bytes at the same
offsets.

obstore is called from threads: its coroutines are answered by threads of its own, which abort the
process (SIGABRT) when the interpreter is just ending.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, S3Store

from worker.logs.run_logs import ExecutionLog, RunLogsUnavailableError, run_directory

T = TypeVar("T")

CHUNK_BYTES = 262_144
"""Part of the format: readers compute a chunk's name from it."""

READ_BYTES = 1_048_576

READ_S = 10.0
"""How long readers wait for an answer."""

REQUEST_S = 20.0
"""How long a request may take: for a whole log, of 10 MB at most. The end of a process waits for
what it has asked."""

RETRY_S = 10.0

THREADS = 16

LISTINGS = 3

PROBE = "apphub-jobs.probe"
"""How the name of an object begins that a starting worker writes and removes; others start at the
same moment, so each adds something of its own."""

_OBJECT = re.compile(
    r"(?P<log>.+/attempt-(?P<attempt>\d+)-execution-\d+)\.(?:log|chunks/(?P<offset>\d+))"
)

_ANSWER = re.compile(r"<Code>(?P<code>.*?)</Code>.*?<Message>(?P<message>.*?)</Message>", re.DOTALL)


class LogStoreError(Exception):
    """The store cannot be used; the message says why and what to do."""


class _MissingError(RunLogsUnavailableError):
    """There is no such object."""


def open_store(url: str) -> ObjectStore:
    """Return the store of a URL, without asking it anything yet.

    Raises:
        LogStoreError: the URL names no store.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
            return LocalStore(parts.path, mkdir=True, automatic_cleanup=True)
        if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
            msg = (
                f"{url!r} is no store of logs: give s3://BUCKET/PREFIX,"
                " or file:///DIRECTORY for a shared disk"
            )
            raise LogStoreError(msg)
        if "@" in parts.netloc:
            msg = (
                "no secrets in a URL: they belong in the variables"
                " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
            raise LogStoreError(msg)
        return S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            client_options={
                "allow_http": True,  # Only where AWS_ENDPOINT_URL says so.
                "connect_timeout": timedelta(seconds=3),
                "timeout": timedelta(seconds=REQUEST_S),
            },
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=RETRY_S)},
        )
    except (BaseError, OSError, ValueError) as error:
        msg = f"cannot use {url!r} as a store of logs: {_brief(error)}"
        raise LogStoreError(msg) from error


class ObjectLogs:
    """Implements `worker.logs.run_logs.LogStore`, and what the shipper needs to fill it."""

    follow_every_s = 1.0

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="run logs")

    def check(self, *, to_write: bool) -> None:
        """Raise RunLogsUnavailableError unless the store can be read (and written)."""
        with _refusals_told():
            for _ in obstore.list(self._store, chunk_size=1):
                break
            if to_write:
                probe = f"{PROBE}-{uuid4().hex}"
                obstore.put(self._store, probe, b"", use_multipart=False)
                obstore.delete(self._store, probe)

    async def executions(self, run_id: str, attempt: int) -> Sequence[ExecutionLog]:
        """Return the logs of an attempt's executions, in order, as far as the store has them."""
        for listing in range(LISTINGS):
            found = await self._list(run_id, attempt)
            # A directory is listed in no order: while the whole log takes the place of its chunks,
            # it may show neither.
            if found.is_whole and (found.is_anything or listing > 0):
                break  # Else it was listed just while that happened.
        return found.logs()

    async def _list(self, run_id: str, attempt: int) -> "_Listing":
        directory = run_directory(run_id)
        entries = await self._ask(lambda: obstore.list(self._store, directory).collect(), READ_S)
        listing = _Listing()
        for entry in entries:
            listing.add(entry["path"], entry["size"], attempt)
        return listing

    async def read(self, log: ExecutionLog, start: int) -> AsyncIterator[bytes]:
        """Yield the bytes of a log from `start` up to its `size`."""
        complete = log.complete
        while start < log.size:
            try:
                if complete:
                    content = await self._of_whole(log, start)
                else:
                    content = await self._of_chunk(log, start)
            except _MissingError:
                if complete:
                    raise
                complete = True  # The whole log took the place of the chunks.
            else:
                start += len(content)
                yield content

    async def put_chunk(self, name: str, start: int, content: bytes) -> None:
        """Put a chunk that begins at this offset, or the same one again with more in it."""
        await self.put(_chunk_name(name, start), content)

    async def put(self, name: str, content: bytes) -> None:
        """Put a whole log."""
        put = partial(obstore.put, self._store, name, content, use_multipart=False)
        await self._ask(put)

    async def remove_chunks(self, name: str, size: int) -> None:
        """Remove whatever chunks there are of a log of this size, the first one first."""
        starts = range(0, size, CHUNK_BYTES)
        names = [_chunk_name(name, start) for start in starts]
        delete = partial(obstore.delete, self._store, names)
        with suppress(_MissingError):  # S3 does not tell; a directory does.
            await self._ask(delete)

    async def _of_whole(self, log: ExecutionLog, start: int) -> bytes:
        end = min(log.size, start + READ_BYTES)
        return await self._range(log.name, start, end)

    async def _of_chunk(self, log: ExecutionLog, start: int) -> bytes:
        within = start % CHUNK_BYTES
        chunk = _chunk_name(log.name, start - within)
        left = log.size - start
        end = min(CHUNK_BYTES, within + left)
        return await self._range(chunk, within, end)

    async def _range(self, name: str, start: int, end: int) -> bytes:
        get = partial(obstore.get_range, self._store, name, start=start, end=end)
        content = bytes(await self._ask(get, READ_S))
        if len(content) != end - start:
            # Of nothing a reader would ask again for ever.
            msg = f"the store gave {len(content)} bytes of {name} for {end - start}"
            raise RunLogsUnavailableError(msg)
        return content

    async def _ask(self, call: Callable[[], T], within_s: float | None = None) -> T:
        loop = asyncio.get_running_loop()
        with _refusals_told():
            async with asyncio.timeout(within_s):
                return await loop.run_in_executor(self._threads, call)


@contextmanager
def _refusals_told() -> Iterator[None]:
    """Turn what obstore raises into what the port promises."""
    try:
        yield
    except FileNotFoundError as error:
        raise _MissingError(_brief(error)) from error
    except (BaseError, OSError, ValueError) as error:
        raise RunLogsUnavailableError(_brief(error)) from error


def _brief(error: Exception) -> str:
    """Return what a store said in one line; obstore's messages go on for pages."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    said = str(error)
    answer = _ANSWER.search(said)
    if answer is not None:
        return f"{answer['code']}: {answer['message']}"
    first_line, _, _ = said.partition("\n")
    return first_line


def _chunk_name(name: str, start: int) -> str:
    # Sorts before the whole log: a listing made while one replaces the other shows either, never
    # neither.
    stem = name.removesuffix(".log")
    return f"{stem}.chunks/{start:010}"


class _Listing:
    """What a store has of an attempt.

    Attributes:
        wholes: the size of each whole log, by name.
        chunks: the sizes of each log's chunks, by offset.
    """

    def __init__(self) -> None:
        self.wholes: dict[str, int] = {}
        self.chunks: dict[str, dict[int, int]] = {}

    def add(self, path: str, size: int, attempt: int) -> None:
        """Take in an object, if it belongs to this attempt."""
        found = _OBJECT.fullmatch(path)
        if found is None or int(found["attempt"]) != attempt:
            return
        name = found["log"] + ".log"
        if found["offset"] is None:
            self.wholes[name] = size
            return
        sizes = self.chunks.setdefault(name, {})
        sizes[int(found["offset"])] = size

    @property
    def is_anything(self) -> bool:
        """Whether there is any log."""
        return bool(self.wholes or self.chunks)

    @property
    def is_whole(self) -> bool:
        """Whether no chunk is missing before the end of its log."""
        for name, sizes in self.chunks.items():
            if name not in self.wholes and not _is_gapless(sizes):
                return False
        return True

    def logs(self) -> list[ExecutionLog]:
        """Return the logs, in order."""
        names = {*self.wholes, *self.chunks}
        return [self._log(name) for name in sorted(names)]

    def _log(self, name: str) -> ExecutionLog:
        if name in self.wholes:
            return ExecutionLog(name, self.wholes[name], complete=True)
        size = _size(self.chunks[name])
        return ExecutionLog(name, size, complete=False)


def _is_gapless(chunks: dict[int, int]) -> bool:
    return _size(chunks) == sum(chunks.values())


def _size(chunks: dict[int, int]) -> int:
    """Return how far the chunks go without a gap."""
    size = 0
    # An empty one, as a crash may leave on a shared disk, leads nowhere: not to itself either.
    while chunks.get(size):
        size += chunks[size]
        if size % CHUNK_BYTES:
            break
    return size
