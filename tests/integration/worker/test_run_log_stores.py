"""Reading logs from a directory and from object stores: the same text, wherever it lies."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import monotonic
from uuid import uuid4

import obstore
import pytest
from obstore.store import LocalStore, ObjectStore, S3Store

from tests.support import s3
from worker.logs.object_store import CHUNK_BYTES, ObjectLogs
from worker.logs.run_logs import (
    MAX_READS_PER_S,
    DirectoryLogs,
    RunLogs,
    RunLogsUnavailableError,
    log_name,
)

TEXT = b"".join(b"%09d\n" % number for number in range(3 * CHUNK_BYTES // 10))
"""More than two full chunks, and no two lines alike."""

A_TIME = "2026-01-01T00:00:00.000Z"

pytestmark = pytest.mark.anyio

FOLLOWERS = 400

SIZES = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, len(TEXT)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def run_id() -> str:
    return str(uuid4())


@pytest.fixture(params=["s3", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "file":
        return LocalStore(tmp_path / "store", mkdir=True, automatic_cleanup=True)
    return s3.store(request.getfixturevalue("s3_endpoint"), f"below/{uuid4()}")


@pytest.fixture
def logs(store: ObjectStore) -> ObjectLogs:
    return ObjectLogs(store)


async def _put_chunks(logs: ObjectLogs, name: str, text: bytes) -> None:
    for start in range(0, len(text), CHUNK_BYTES):
        await logs.put_chunk(name, start, text[start : start + CHUNK_BYTES])


async def _all(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


@pytest.mark.parametrize("size", SIZES)
async def test_chunks_read_as_the_whole_log_does(logs: ObjectLogs, run_id: str, size: int) -> None:
    text, name, reader = TEXT[:size], log_name(run_id, 1, 1), RunLogs(logs)
    await _put_chunks(logs, name, text)
    await _check_reading(reader, run_id, text)
    await logs.put(name, text)
    await _check_reading(reader, run_id, text)
    await logs.remove_chunks(name, size)
    await _check_reading(reader, run_id, text)


async def test_a_directory_reads_the_same(run_id: str, tmp_path: Path) -> None:
    logs = DirectoryLogs(tmp_path)
    async with logs.keep(log_name(run_id, 1, 1)) as path:
        path.parent.mkdir(parents=True)
        for size in SIZES:
            path.write_bytes(TEXT[:size])
            await _check_reading(RunLogs(logs), run_id, TEXT[:size])


async def _check_reading(reader: RunLogs, run_id: str, text: bytes) -> None:
    assert await reader.size(run_id, 1) == len(text)
    for offset in {
        0,
        1,
        len(text) // 2,
        CHUNK_BYTES,
        max(0, len(text) - 1),
        len(text),
        len(text) + 1,
    }:
        assert await _all(await reader.read(run_id, 1, offset)) == text[offset:]
    for last in (1, 4_000, len(text) + 1):
        assert await reader.tail(run_id, 1, last) == (text[-last:], len(text))


async def test_the_executions_of_an_attempt_are_one_text_and_those_of_others_are_not_in_it(
    logs: ObjectLogs, store: ObjectStore, run_id: str
) -> None:
    await logs.put(log_name(run_id, 1, 1), b"first attempt\n")
    await logs.put(log_name(run_id, 2, 2), b"handed back\n")
    await logs.put(log_name(run_id, 2, 10), b"and again\n")
    await logs.put_chunk(log_name(run_id, 2, 11), 0, b"running")
    await obstore.put_async(store, f"{log_name(run_id, 2, 12)}.of somebody else", b"no log of ours")
    reader, text = RunLogs(logs), b"handed back\nand again\nrunning"
    assert await _all(await reader.read(run_id, 2)) == text
    assert await _all(await reader.read(run_id, 2, 14)) == text[14:]
    assert await reader.tail(run_id, 2, 12) == (text[-12:], len(text))
    assert await _all(await reader.read(run_id, 1)) == b"first attempt\n"
    assert await reader.tail(run_id, 3, 100) == (b"", 0)


@pytest.mark.parametrize("whole", [b"", TEXT[:CHUNK_BYTES]])
async def test_an_empty_chunk_ends_a_log(
    logs: ObjectLogs, store: ObjectStore, run_id: str, whole: bytes
) -> None:
    name = log_name(run_id, 1, 1)
    if whole:
        await logs.put_chunk(name, 0, whole)
    await logs.put_chunk(name, len(whole), b"")
    seen: list[bytes] = []
    reading = Thread(target=_read, args=(store, run_id, seen), daemon=True)
    reading.start()
    await asyncio.to_thread(reading.join, 10)
    assert seen == [whole]


def _read(store: ObjectStore, run_id: str, seen: list[bytes]) -> None:
    """Read a log with a loop of its own, which may be kept for ever."""

    async def read() -> bytes:
        return await _all(await RunLogs(ObjectLogs(store)).read(run_id, 1))

    seen.append(asyncio.run(read()))


@pytest.mark.parametrize("content", [b"", b"more than the hundred bytes" * 9])
async def test_a_store_that_gives_another_number_of_bytes_ends_the_reading(
    run_id: str, content: bytes
) -> None:
    with _odd_store(log_name(run_id, 1, 1), content) as endpoint:
        odd = S3Store(
            "logs",
            region="any",
            skip_signature=True,
            client_options={"allow_http": True},
            endpoint=endpoint,
        )
        reading = RunLogs(ObjectLogs(odd)).read(run_id, 1)
        with pytest.raises(RunLogsUnavailableError, match=f"gave {len(content)} bytes"):
            async with asyncio.timeout(90):
                await _all(await reading)


@contextmanager
def _odd_store(name: str, content: bytes) -> Iterator[str]:
    """Give the address of a store that has a log of 100 bytes, and answers with other ones."""
    entry = f"<Key>{name}</Key><LastModified>{A_TIME}</LastModified><Size>100</Size>"
    listing = f"<ListBucketResult><Contents>{entry}</Contents></ListBucketResult>"

    class Odd(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if "list-type" in self.path else 206)
            body = listing.encode() if "list-type" in self.path else content
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Range", "bytes 0-99/100")
            self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
            self.send_header("ETag", '"it"')
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Odd) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("after", [0, 1, 2])
async def test_a_reader_on_its_way_through_the_chunks_goes_on_in_the_whole_log(
    logs: ObjectLogs, run_id: str, after: int
) -> None:
    name = log_name(run_id, 1, 1)
    await _put_chunks(logs, name, TEXT)
    reading = await RunLogs(logs).read(run_id, 1)
    seen = [await anext(reading) for _ in range(after)]
    await logs.put(name, TEXT + b"the end\n")
    await logs.remove_chunks(name, len(TEXT))
    seen += [chunk async for chunk in reading]
    assert b"".join(seen) == TEXT


async def test_readers_see_all_while_the_whole_log_takes_the_place_of_the_chunks(
    logs: ObjectLogs,
) -> None:
    async def read_again_and_again(run_id: str, over: asyncio.Event) -> int:
        reads = 0
        while not over.is_set():
            assert await _all(await RunLogs(logs).read(run_id, 1)) == TEXT
            reads += 1
        return reads

    for _ in range(10):
        run_id, over = str(uuid4()), asyncio.Event()
        name = log_name(run_id, 1, 1)
        await _put_chunks(logs, name, TEXT)
        readers = [asyncio.create_task(read_again_and_again(run_id, over)) for _ in range(3)]
        await logs.put(name, TEXT)
        await logs.remove_chunks(name, len(TEXT))
        over.set()
        assert min(await asyncio.gather(*readers)) >= 1


async def test_a_follower_waits_for_the_rest_of_an_execution_before_it_shows_the_next(
    logs: ObjectLogs, run_id: str
) -> None:
    first, second = log_name(run_id, 1, 1), log_name(run_id, 1, 2)
    await logs.put_chunk(first, 0, b"one ")
    await logs.put_chunk(second, 0, b"three ")
    over = asyncio.Event()
    following = await RunLogs(logs).follow(run_id, 1, 2, _asks(over.is_set))
    assert await anext(following) == b"e "
    rest = asyncio.create_task(_all(following))
    await logs.put(first, b"one two ")
    await logs.remove_chunks(first, 4)
    await logs.put_chunk(second, 0, b"three four")
    await logs.put(second, b"three four.")
    over.set()
    assert await rest == b"two three four."


async def test_a_follower_shows_what_there_is_when_the_rest_never_came(
    logs: ObjectLogs, run_id: str
) -> None:
    await logs.put_chunk(log_name(run_id, 1, 1), 0, b"lost after this ")
    await logs.put(log_name(run_id, 1, 2), b"the end")
    following = await RunLogs(logs).follow(run_id, 1, 0, _asks(lambda: True))
    assert await _all(following) == b"lost after this the end"


@pytest.mark.slow
async def test_very_many_followers_together_look_no_more_often_than_a_few(
    tmp_path: Path, run_id: str
) -> None:
    looks = 0

    def is_over() -> bool:
        nonlocal looks
        looks += 1
        return False

    reader = RunLogs(DirectoryLogs(tmp_path))
    began = monotonic()
    following = [
        asyncio.create_task(_all(await reader.follow(run_id, 1, 0, _asks(is_over))))
        for _ in range(FOLLOWERS)
    ]
    await asyncio.sleep(3)
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)
    # Each has looked once before it knew how many there are.
    assert looks <= 2 * FOLLOWERS + MAX_READS_PER_S * (monotonic() - began)


async def test_a_store_that_is_away_is_told_before_the_answer_begins_and_borne_while_following(
    s3_endpoint: str, run_id: str
) -> None:
    with s3.Gate(s3_endpoint) as gate:
        prefix = str(uuid4())
        logs, writer = (
            ObjectLogs(s3.store(gate.endpoint, prefix)),
            ObjectLogs(s3.store(s3_endpoint, prefix)),
        )
        reader, name, over = RunLogs(logs), log_name(run_id, 1, 1), asyncio.Event()
        await logs.put_chunk(name, 0, b"before ")
        following = await reader.follow(run_id, 1, 0, _asks(over.is_set))
        assert await anext(following) == b"before "
        gate.close("refused")
        with pytest.raises(RunLogsUnavailableError):
            await reader.read(run_id, 1)
        with pytest.raises(RunLogsUnavailableError):
            await reader.follow(run_id, 1, 0, _asks(over.is_set))
        rest = asyncio.create_task(_all(following))
        over.set()
        await asyncio.wait([rest], timeout=2)
        assert not rest.done()
        # Before anybody can look: the attempt is over already.
        await writer.put(name, b"before and after")
        gate.open()
        assert await rest == b"and after"


def _asks(condition: Callable[[], bool]) -> "Callable[[], asyncio.Future[bool]]":
    def ask() -> "asyncio.Future[bool]":
        answer = asyncio.get_running_loop().create_future()
        answer.set_result(condition())
        return answer

    return ask
