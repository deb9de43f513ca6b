"""The host of a cluster's node, as its watcher and its tasks speak to it: there is no Ray in it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.support.handlers.tasks import task_of
from tests.support.packages import package_of
from worker.executors.ray.node import PROGRAM
from worker.executors.ray.wire import MAX_LINE_BYTES, decode_bytes, describe_task, encode_line

ENOUGH_S = 30.0

PACKAGE = package_of("tests.support.handlers")["test.noop"]


class Hosted:
    """A host, from its watcher's side, and from that of tasks."""

    def __init__(self, process: asyncio.subprocess.Process, path: Path) -> None:
        self.process = process
        self.path = path

    def say(self, **command: Any) -> None:
        """Say what the watcher says; the first session renews if no other is named."""
        assert self.process.stdin is not None
        self.process.stdin.write(encode_line({"session": 1, **command}))

    async def answer(self) -> Mapping[str, Any]:
        """Return what the watcher is told."""
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), ENOUGH_S)
        heard: Mapping[str, Any] = json.loads(line)
        return heard

    async def order(
        self, attempt_id: str, handler: str, session: int = 1, **more: Any
    ) -> "Ordered":
        """Order an attempt."""
        reader, writer = await asyncio.open_unix_connection(self.path, limit=MAX_LINE_BYTES)
        order = describe_task(task_of(handler, Path("unused"), **more), PACKAGE)
        order["package"]["generation"] = 1
        writer.write(encode_line({**order, "id": attempt_id, "session": session}))
        return Ordered(reader, writer)


class Ordered:
    """An attempt on a host, from its task's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.log = b""
        self.updates: list[Mapping[str, Any]] = []

    async def end(self) -> Mapping[str, Any]:
        """Hear all that is told of it; return its end, which comes last."""
        async with asyncio.timeout(ENOUGH_S):
            lines = [json.loads(line) async for line in self._reader]
        self.hang_up()
        self.log += b"".join(decode_bytes(line["log"]) for line in lines if "log" in line)
        self.updates += [line["update"] for line in lines if "update" in line]
        end: Mapping[str, Any] = lines[-1]["end"]
        return end

    async def first_print(self) -> bytes:
        """Wait until it has printed something."""
        async with asyncio.timeout(ENOUGH_S):
            async for line in self._reader:
                heard = json.loads(line)
                if "log" in heard:
                    return decode_bytes(heard["log"])
        raise AssertionError("it has ended")

    def hang_up(self) -> None:
        """Be there no more."""
        self._writer.close()


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Hosted]:
    """Give a host that is ready."""
    path = tmp_path / "socket"
    announced = json.dumps({"socket": str(path), "size": 1})
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-c", PROGRAM, announced),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    hosted = Hosted(process, path)
    assert await hosted.answer() == {"ready": True}
    yield hosted
    assert process.stdin is not None
    process.stdin.close()
    await asyncio.wait_for(process.wait(), ENOUGH_S)


def process_in(log: bytes) -> Path:
    """Return the process that a waiting attempt prints."""
    number = int(log.split()[-1])
    return Path(f"/proc/{number}")


async def gone(process: Path) -> None:
    """Wait until a process has ended."""
    async with asyncio.timeout(ENOUGH_S):
        while process.exists():
            await asyncio.sleep(0.01)


async def test_reports_and_log_come_before_the_end(host: Hosted) -> None:
    host.say(do="renew", until=monotonic() + 60)
    attempt = await host.order("a", "chat", name="somebody")
    end = await attempt.end()
    assert end["kind"] == "result"
    assert end["message"]["result"] == "somebody"
    assert attempt.log.count(b"somebody prints") == 20
    assert attempt.updates[-1]["metrics"]["step"] == 19
    assert len(attempt.updates) < 20, "reports were gathered"


async def test_nothing_begins_before_the_lease_is_known(host: Hosted) -> None:
    attempt = await host.order("a", "noop")
    ending = asyncio.create_task(attempt.end())
    host.say(do="end", id="nobody")
    assert await host.answer() == {"isOver": True}
    assert not ending.done()
    host.say(do="renew", until=monotonic() + 60)
    assert (await ending)["kind"] == "result"


async def test_an_order_of_an_earlier_session_never_begins(host: Hosted) -> None:
    early = await host.order("early", "noop")
    host.say(do="renew", until=monotonic() + 60, session=2)
    assert (await early.end())["kind"] == "lease"
    # Late beats of the session before take nothing back.
    host.say(do="renew", until=monotonic() + 60, session=1)
    late = await host.order("late", "noop")
    assert (await late.end())["kind"] == "lease"
    present = await host.order("present", "noop", session=2)
    assert (await present.end())["kind"] == "result"


async def test_what_an_earlier_session_runs_ends_with_the_next_one_s_lease(host: Hosted) -> None:
    host.say(do="renew", until=monotonic() + 60)
    attempt = await host.order("a", "sleep")
    process = process_in(await attempt.first_print())
    host.say(do="renew", until=monotonic() + 60, session=2)
    assert (await attempt.end())["kind"] == "stopped"
    await gone(process)


async def test_whoever_hangs_up_ends_the_attempt(host: Hosted) -> None:
    host.say(do="renew", until=monotonic() + 60)
    attempt = await host.order("a", "sleep")
    process = process_in(await attempt.first_print())
    attempt.hang_up()
    await gone(process)
    host.say(do="end", id="a")
    assert await host.answer() == {"isOver": True}


async def test_what_is_said_of_an_attempt_before_it_comes_is_heard(host: Hosted) -> None:
    host.say(do="renew", until=monotonic() + 60)
    host.say(do="end", id="late")
    assert await host.answer() == {"isOver": True}
    late = await host.order("late", "sleep")
    assert (await late.end())["kind"] == "stopped"


async def test_a_watcher_that_falls_silent_ends_all_with_the_lease(host: Hosted) -> None:
    host.say(do="renew", until=monotonic() + 2)
    attempt = await host.order("a", "sleep")
    process = process_in(await attempt.first_print())
    assert (await attempt.end())["kind"] == "lease"
    await gone(process)


async def test_the_end_of_the_watcher_is_the_end_of_all(host: Hosted) -> None:
    host.say(do="renew", until=monotonic() + 60)
    attempt = await host.order("a", "sleep")
    process = process_in(await attempt.first_print())
    assert host.process.stdin is not None
    host.process.stdin.close()
    await gone(process)
    attempt.hang_up()
    assert await asyncio.wait_for(host.process.wait(), ENOUGH_S) == 0
    assert not host.path.exists()
