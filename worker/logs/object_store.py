"""Run logs in an object store: one object for each execution that is over, chunks for one that still runs.

A chunk begins at a multiple of CHUNK_BYTES. While it is not full it is put again, longer than
before; then the next one begins. Once the whole log is there, the chunks are removed. Whoever does
not find a chunk any more therefore finds the whole log, with the same bytes at the same offsets.

obstore is asked from threads: its coroutines are answered by threads of its own, which abort the
process (SIGABRT) when the interpreter is just ending.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TypeVar
from urllib.parse import urlsplit

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
"""An object that a starting worker writes and removes."""

_OBJECT = re.compile(
    r"(?P<log>.+/attempt-(?P<attempt>\d+)-execution-\d+)\.(?:log|chunks/(?P<offset>\d+))"
)


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
            msg = f"{url!r} is no store of logs: give s3://BUCKET/PREFIX, or file:///DIRECTORY for a shared disk"
            raise LogStoreError(msg)
        if "@" in parts.netloc:
            msg = "no secrets in a URL: they belong in the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
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
            next(iter(obstore.list(self._store, chunk_size=1)), None)
            if to_write:
                obstore.put(self._store, PROBE, b"", use_multipart=False)
                obstore.delete(self._store, PROBE)

    async def executions(self, run_id: str, attempt: int) -> Sequence[ExecutionLog]:
        """See the port."""
        for listing in range(LISTINGS):
            found = await self._ask(
                lambda: obstore.list(self._store, run_directory(run_id)).collect(), READ_S
            )
            wholes, chunks = _sort({entry["path"]: entry["size"] for entry in found}, attempt)
            # A directory is listed in no order: while the whole log takes the place of its chunks,
            # it may show neither.
            something = bool(wholes or chunks) or listing > 0
            if something and all(
                name in wholes or _is_gapless(sizes) for name, sizes in chunks.items()
            ):
                break  # Else it was listed just while that happened.
        return [
            ExecutionLog(
                name,
                wholes[name] if name in wholes else _size(chunks[name]),
                complete=name in wholes,
            )
            for name in sorted({*wholes, *chunks})
        ]

    async def read(self, log: ExecutionLog, start: int) -> AsyncIterator[bytes]:
        """See the port."""
        complete = log.complete
        while start < log.size:
            try:
                content = await (
                    self._of_whole(log, start) if complete else self._of_chunk(log, start)
                )
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
        await self._ask(lambda: obstore.put(self._store, name, content, use_multipart=False))

    async def remove_chunks(self, name: str, size: int) -> None:
        """Remove whatever chunks there are of a log of this size, the first one first."""
        names = [_chunk_name(name, start) for start in range(0, size, CHUNK_BYTES)]
        with suppress(_MissingError):  # S3 does not tell; a directory does.
            await self._ask(lambda: obstore.delete(self._store, names))

    async def _of_whole(self, log: ExecutionLog, start: int) -> bytes:
        return await self._range(log.name, start, min(log.size, start + READ_BYTES))

    async def _of_chunk(self, log: ExecutionLog, start: int) -> bytes:
        within = start % CHUNK_BYTES
        return await self._range(
            _chunk_name(log.name, start - within),
            within,
            min(CHUNK_BYTES, within + log.size - start),
        )

    async def _range(self, name: str, start: int, end: int) -> bytes:
        return bytes(
            await self._ask(
                lambda: obstore.get_range(self._store, name, start=start, end=end), READ_S
            )
        )

    async def _ask(self, call: Callable[[], T], within_s: float | None = None) -> T:
        with _refusals_told():
            async with asyncio.timeout(within_s):
                return await asyncio.get_running_loop().run_in_executor(self._threads, call)


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
    said = str(error)
    if isinstance(error, TimeoutError):
        return "no answer in time"
    answer = re.search(r"<Code>(.*?)</Code>.*?<Message>(.*?)</Message>", said, re.DOTALL)
    return f"{answer[1]}: {answer[2]}" if answer else said.partition("\n")[0]


def _chunk_name(name: str, start: int) -> str:
    # Sorts before the whole log: a listing made while one replaces the other shows either, never
    # neither.
    return f"{name.removesuffix('.log')}.chunks/{start:010}"


def _sort(sizes: dict[str, int], attempt: int) -> tuple[dict[str, int], dict[str, dict[int, int]]]:
    """Return the sizes of an attempt's whole logs, and those of the chunks by their offsets."""
    wholes: dict[str, int] = {}
    chunks: dict[str, dict[int, int]] = {}
    for path, size in sizes.items():
        found = _OBJECT.fullmatch(path)
        if found is None or int(found["attempt"]) != attempt:
            continue
        name = f"{found['log']}.log"
        if found["offset"] is None:
            wholes[name] = size
        else:
            chunks.setdefault(name, {})[int(found["offset"])] = size
    return wholes, chunks


def _is_gapless(chunks: dict[int, int]) -> bool:
    return _size(chunks) == sum(chunks.values())


def _size(chunks: dict[int, int]) -> int:
    """Return how far the chunks go without a gap."""
    size = 0
    while size in chunks:
        size += chunks[size]
        if size % CHUNK_BYTES:
            break
    return size
