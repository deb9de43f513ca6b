"""Run logs in an object store: an object for each ended execution, chunks for a running one.

A chunk begins at a multiple of CHUNK_BYTES. While it is not full, it is put again and again with
more content; then the next one begins. Once the complete log is stored, its chunks are removed. So
if a reader misses a chunk, the complete log is there, with the same bytes at the same offsets.

obstore is called from threads. Its coroutines are completed by threads of its own, which abort the
process (SIGABRT) if that happens while the interpreter exits.
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
"""A part of the format: readers compute a chunk's name from it."""

READ_BYTES = 1_048_576

READ_TIMEOUT_S = 10.0
"""How long readers wait for an answer."""

REQUEST_TIMEOUT_S = 20.0
"""How long a request may take: enough for a complete log of 10 MB, the most there can be. A process
does not exit before its requests have ended."""

RETRY_TIMEOUT_S = 10.0

THREADS = 16

MAX_LISTINGS = 3

PROBE = "apphub-jobs.probe"
"""The prefix of the name of an object that a starting worker writes and removes. A random suffix
distinguishes workers that start at the same time."""

_OBJECT = re.compile(
    r"(?P<log>.+/attempt-(?P<attempt>\d+)-execution-\d+)\.(?:log|chunks/(?P<offset>\d+))"
)

_ANSWER = re.compile(r"<Code>(?P<code>.*?)</Code>.*?<Message>(?P<message>.*?)</Message>", re.DOTALL)


class LogStoreError(Exception):
    """The store cannot be used; the message says why and what to do."""


class _ObjectNotFoundError(RunLogsUnavailableError):
    """The store has no object of this name."""


def open_store(url: str) -> ObjectStore:
    """Return the store at a URL; no request is sent yet.

    Raises:
        LogStoreError: the URL is not that of a store.
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
                "timeout": timedelta(seconds=REQUEST_TIMEOUT_S),
            },
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=RETRY_TIMEOUT_S)},
        )
    except (BaseError, OSError, ValueError) as error:
        msg = f"cannot use {url!r} as a store of logs: {_one_line(error)}"
        raise LogStoreError(msg) from error


class ObjectLogs:
    """Implements `worker.logs.run_logs.LogStore`, and the writes of the shipper."""

    follow_every_s = 1.0

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="run logs")

    def check(self, *, to_write: bool) -> None:
        """Check that the store can be read, and, if `to_write`, written.

        Raises:
            RunLogsUnavailableError: it cannot; the message has the store's error.
        """
        with _translate_errors():
            for _ in obstore.list(self._store, chunk_size=1):
                break
            if to_write:
                probe = f"{PROBE}-{uuid4().hex}"
                obstore.put(self._store, probe, b"", use_multipart=False)
                obstore.delete(self._store, probe)

    def sizes(self) -> dict[str, int]:
        """Return the size of every object by its name, in the order of names.

        Raises:
            RunLogsUnavailableError: the store does not answer.
        """
        sizes: list[tuple[str, int]] = []
        with _translate_errors():
            for entries in obstore.list(self._store):
                sizes += [(entry["path"], entry["size"]) for entry in entries]
        return dict(sorted(sizes))

    async def executions(self, run_id: str, attempt: int) -> Sequence[ExecutionLog]:
        """Return the logs of an attempt's executions, in order, as far as the store has them."""
        for listing in range(MAX_LISTINGS):
            objects = await self._list(run_id, attempt)
            # A directory is listed in no order. A listing that is made while the complete log
            # replaces its chunks may have neither; so an empty or incomplete one is repeated.
            if objects.has_no_gap and (objects.has_any or listing > 0):
                break
        return objects.logs()

    async def _list(self, run_id: str, attempt: int) -> "_Listing":
        directory = run_directory(run_id)
        entries = await self._call(
            lambda: obstore.list(self._store, directory).collect(), READ_TIMEOUT_S
        )
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
                    content = await self._read_complete(log, start)
                else:
                    content = await self._read_chunk(log, start)
            except _ObjectNotFoundError:
                if complete:
                    raise
                complete = True  # The complete log replaced the chunks.
            else:
                start += len(content)
                yield content

    async def put_chunk(self, name: str, start: int, content: bytes) -> None:
        """Put a chunk that begins at this offset, or replace it with a longer version."""
        await self.put(_chunk_name(name, start), content)

    async def put(self, name: str, content: bytes) -> None:
        """Put a complete log."""
        await self._call(partial(obstore.put, self._store, name, content, use_multipart=False))

    async def remove_chunks(self, name: str, size: int) -> None:
        """Remove the chunks of a log of this size, the first one first."""
        names = [_chunk_name(name, start) for start in range(0, size, CHUNK_BYTES)]
        with suppress(_ObjectNotFoundError):  # Raised by a directory, not by S3.
            await self._call(partial(obstore.delete, self._store, names))

    async def _read_complete(self, log: ExecutionLog, start: int) -> bytes:
        end = min(log.size, start + READ_BYTES)
        return await self._read_range(log.name, start, end)

    async def _read_chunk(self, log: ExecutionLog, start: int) -> bytes:
        offset = start % CHUNK_BYTES
        end = min(CHUNK_BYTES, offset + log.size - start)
        return await self._read_range(_chunk_name(log.name, start - offset), offset, end)

    async def _read_range(self, name: str, start: int, end: int) -> bytes:
        get = partial(obstore.get_range, self._store, name, start=start, end=end)
        content = bytes(await self._call(get, READ_TIMEOUT_S))
        if len(content) != end - start:
            # If there were no bytes, the reader would repeat the request for ever.
            msg = f"the store gave {len(content)} bytes of {name} for {end - start}"
            raise RunLogsUnavailableError(msg)
        return content

    async def _call(self, call: Callable[[], T], timeout_s: float | None = None) -> T:
        """Call obstore in a thread."""
        loop = asyncio.get_running_loop()
        with _translate_errors():
            async with asyncio.timeout(timeout_s):
                return await loop.run_in_executor(self._threads, call)


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Raise the errors of obstore as those of the port."""
    try:
        yield
    except FileNotFoundError as error:
        raise _ObjectNotFoundError(_one_line(error)) from error
    except (BaseError, OSError, ValueError) as error:
        raise RunLogsUnavailableError(_one_line(error)) from error


def _one_line(error: Exception) -> str:
    """Return the store's error in one line; obstore's messages are pages long."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    answer = _ANSWER.search(str(error))
    if answer is not None:
        return f"{answer['code']}: {answer['message']}"
    first_line, _, _ = str(error).partition("\n")
    return first_line


def _chunk_name(name: str, start: int) -> str:
    # Chunks sort before the complete log, so a sorted listing that is made while that replaces them
    # has at least one of the two.
    return f"{name.removesuffix('.log')}.chunks/{start:010}"


class _Listing:
    """The objects of an attempt in a store.

    Attributes:
        complete_sizes: the sizes of complete logs, by name.
        chunks: the sizes of chunks, by the name of the log and the offset.
    """

    def __init__(self) -> None:
        self.complete_sizes: dict[str, int] = {}
        self.chunks: dict[str, dict[int, int]] = {}

    def add(self, path: str, size: int, attempt: int) -> None:
        """Add an object, if it belongs to this attempt."""
        parts = _OBJECT.fullmatch(path)
        if parts is None or int(parts["attempt"]) != attempt:
            return
        name = parts["log"] + ".log"
        if parts["offset"] is None:
            self.complete_sizes[name] = size
        else:
            self.chunks.setdefault(name, {})[int(parts["offset"])] = size

    @property
    def has_any(self) -> bool:
        """Whether there is any log."""
        return bool(self.complete_sizes or self.chunks)

    @property
    def has_no_gap(self) -> bool:
        """Whether no chunk is missing before another chunk of the same log."""
        return all(
            name in self.complete_sizes or _size(sizes) == sum(sizes.values())
            for name, sizes in self.chunks.items()
        )

    def logs(self) -> list[ExecutionLog]:
        """Return the logs, in order."""
        names = {*self.complete_sizes, *self.chunks}
        return [self._log(name) for name in sorted(names)]

    def _log(self, name: str) -> ExecutionLog:
        if name in self.complete_sizes:
            return ExecutionLog(name, self.complete_sizes[name], complete=True)
        return ExecutionLog(name, _size(self.chunks[name]), complete=False)


def _size(chunks: dict[int, int]) -> int:
    """Return the total size of the chunks up to the first gap."""
    size = 0
    # An empty chunk, as a crash may leave on a shared disk, counts as a gap: otherwise the loop
    # would not end.
    while chunks.get(size):
        size += chunks[size]
        if size % CHUNK_BYTES:
            break
    return size
