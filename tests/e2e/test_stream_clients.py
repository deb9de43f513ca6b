"""The documented clients, while connections are cut at random and the server is replaced."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest

import apphub_jobs.stream as apphub_stream
from apphub_jobs import AsyncClient
from apphub_jobs.client import ApiError, StreamRefusedError
from tests import ROOT
from tests.e2e.support import launch, register
from tests.support.processes import Process, started
from tests.support.slow import slow
from tests.support.stream.expected import check_marks, comparable, messages_in
from tests.support.wires.cutting import CuttingProxy

SUPPORT = ROOT / "tests" / "support"
JAVASCRIPT = ROOT / "docs" / "clients" / "apphub-stream.mjs"

FETCH_SINCE, SOCKETS_SINCE = 18, 22
"""The versions of node that have `fetch` and `WebSocket`."""

MEAN_BYTES = 5_000
"""After this many, on average, connections are cut: some dozen messages, compressed or not."""

RUNS = 25

Message = dict[str, Any]

REFUSED = (StreamRefusedError, ApiError)


def node(*, with_sockets: bool) -> list[str]:
    """Return the command that runs JavaScript, with WebSockets or without; skip without one."""
    command = shutil.which("node")
    if command is None:
        pytest.skip("there is no node")
    version = subprocess.check_output([command, "--version"], text=True).strip()
    major = int(version[1:].partition(".")[0])
    if major < (SOCKETS_SINCE if with_sockets else FETCH_SINCE):
        pytest.skip(f"node {version} has no {'WebSocket' if with_sockets else 'fetch'}")
    return (
        [command]
        if with_sockets or major < SOCKETS_SINCE
        else [command, "--no-experimental-websocket"]
    )


async def python_messages(url: str, options: Message) -> AsyncGenerator[Message]:
    renamed = {{"logId": "log_id"}.get(name, name): value for name, value in options.items()}
    async for message in apphub_stream.Stream(url, **renamed):
        yield message


async def client_messages(url: str, options: Message) -> AsyncGenerator[Message]:
    renamed = {{"logId": "log_id"}.get(name, name): value for name, value in options.items()}
    async with AsyncClient(url) as client, aclosing(client.stream(**renamed)) as all_:
        async for message in all_:
            yield message


async def javascript_messages(
    url: str, options: Message, *, with_sockets: bool
) -> AsyncGenerator[Message]:
    process = await asyncio.create_subprocess_exec(
        *node(with_sockets=with_sockets),
        str(SUPPORT / "stream" / "follow.mjs"),
        str(JAVASCRIPT),
        url,
        json.dumps(options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        limit=1 << 24,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async for line in process.stdout:
            yield json.loads(line)
        pytest.fail((await process.stderr.read()).decode())
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def messages_of(client: str, url: str, options: Message) -> AsyncGenerator[Message]:
    if client == "python":
        return python_messages(url, options)
    if client == "python events":
        return client_messages(url, options)
    return javascript_messages(url, options, with_sockets=client == "javascript sockets")


def skip_without_node(client: str) -> None:
    if client.startswith("javascript"):
        node(with_sockets=client == "javascript sockets")


CLIENTS = ["python", "python events", "javascript sockets", "javascript events"]


async def follow(client: str, proxy: CuttingProxy, options: Message) -> list[Message]:
    """Return what a client yields, up to the last message of the run that `finish` launches."""
    received: list[Message] = []
    async with aclosing(messages_of(client, proxy.url, options)) as messages:
        async for message in messages:
            received.append(message)
            if message["data"].get("run", {}).get("slug") == "end" and "more" not in message:
                return received
    raise AssertionError(received[-1:])


def work(api: Process, slug: str) -> None:
    """Let something happen: a job, and runs that are canceled."""
    with httpx.Client(base_url=api.url(), timeout=90) as client:
        register(client, slug, "nowhere")
        for _ in range(RUNS):
            client.post(f"/job-runs/{launch(client, slug)}/cancel").raise_for_status()


def finish(api: Process) -> None:
    """Launch what all clients wait for."""
    with httpx.Client(base_url=api.url(), timeout=90) as client:
        register(client, "end", "nowhere")
        launch(client, "end")


@pytest.mark.parametrize("client", ["python", *map(slow, CLIENTS[1:])])
async def test_a_client_resumes_until_it_has_all_of_the_log(
    database_url: str, tmp_path: Path, client: str
) -> None:
    skip_without_node(client)
    arguments = ("serve", "--port", "0", "--data-dir", str(tmp_path / "data"))
    subscriptions: list[Message] = [
        {"after": 0},
        {"after": 1, "types": "job.run.pending,job.run.updated"},
        {},
    ]

    async def scenario() -> list[list[Message]]:
        with started(*arguments, APPHUB_DATABASE_URL=database_url) as first:
            async with CuttingProxy(first.url(), MEAN_BYTES) as proxy:
                following = [
                    asyncio.create_task(follow(client, proxy, options)) for options in subscriptions
                ]
                await asyncio.to_thread(work, first, "one")
                await asyncio.to_thread(first.stop)
                with started(*arguments, APPHUB_DATABASE_URL=database_url) as second:
                    proxy.server = await asyncio.to_thread(second.url)
                    await asyncio.to_thread(work, second, "two")
                    await asyncio.to_thread(finish, second)
                    received = await asyncio.wait_for(asyncio.gather(*following), 60)
                    assert proxy.cuts > 2 * len(subscriptions)
                    return received

    for options, received in zip(subscriptions, await scenario(), strict=True):
        check_marks(received)
        # Without a position it begins where it is then.
        after = options.get("after", received[0]["position"] - 1)
        kinds = options.get("types", "")
        expected = [
            event
            for event in await messages_in(database_url, after)
            if not kinds or event.type in kinds.split(",")
        ]
        assert [comparable(message) for message in received] == expected


@pytest.mark.parametrize("client", CLIENTS)
async def test_what_is_refused_for_good_is_an_error(client: str, api: Process) -> None:
    skip_without_node(client)

    async def refused(options: Message, path: str = "") -> str:
        async with aclosing(messages_of(client, api.url() + path, options)) as messages:
            if client.startswith("python"):
                with pytest.raises(REFUSED) as error:
                    await anext(messages)
                return str(error.value)
            return str((await anext(messages))["refused"])

    assert "beyond the head" in await refused({"after": 1_000_000})
    assert "this is the log" in await refused({"after": 1, "logId": "another"})
    assert "unknown type 'nothing'" in await refused({"types": "nothing"})
    assert await refused({}, "/nowhere") in {"HTTP 403", "not found"}


def test_a_silent_connection_is_replaced_but_not_that_of_a_slow_reader() -> None:
    scene = SUPPORT / "stream" / "silences.mjs"
    command = [*node(with_sockets=False), str(scene), str(JAVASCRIPT)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=90)
    assert done.stdout == "1 1\n2 1\n3 2\n"  # Messages, each with the number of connections.
