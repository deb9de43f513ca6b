"""A client whose connections are cut, and whose service is replaced, while it works."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from apphub_jobs import AsyncClient
from apphub_jobs.client import http
from apphub_jobs.client.asynchronous import AsyncRun
from tests.integration.shared_api import unique
from tests.support.processes import started, without_settings
from tests.support.wires.cutting import CuttingProxy

DEFINITION = {"name": "Cut", "type": "manual", "entryPoint": "nowhere"}

MEAN_BYTES = 1_500
"""An answer to a launch is about as long, so half of them are lost."""

CUTS = 5

CANCELED = 5
"""How a command ends whose run was canceled."""


async def test_launches_whose_answers_are_lost_lead_to_one_run_each(service_url: str) -> None:
    slug = unique("cut")
    async with AsyncClient(service_url) as direct:
        await direct.register({"slug": slug, **DEFINITION})
        ids = []
        async with CuttingProxy(service_url, MEAN_BYTES) as proxy, AsyncClient(proxy.url) as client:
            while proxy.cuts < CUTS:
                run = await client.options(delay="1h").launch(slug)
                ids.append(run.id)
        assert [run.id async for run in direct.runs(job=slug)] == ids[::-1]


async def test_a_run_is_waited_for_while_the_service_is_replaced(
    database_url: str, tmp_path: Path
) -> None:
    arguments = ("serve", "--port", "0", "--data-dir", str(tmp_path / "data"))
    with started(*arguments, APPHUB_DATABASE_URL=database_url) as first:
        async with (
            CuttingProxy(await asyncio.to_thread(first.url), 1_000_000) as proxy,
            AsyncClient(proxy.url) as client,
        ):
            await client.register({"slug": "cut", **DEFINITION})
            run = await client.options(delay="1h").launch("cut")
            waiting = asyncio.create_task(run.wait(60))
            await asyncio.to_thread(first.stop)
            with started(*arguments, APPHUB_DATABASE_URL=database_url) as second:
                proxy.server = await asyncio.to_thread(second.url)
                other = await client.run(run.id)
                await other.cancel("enough")
                ended = await waiting
            assert (ended.status, ended.error_message) == ("canceled", "enough")


async def test_a_command_waits_for_its_run_while_the_service_is_replaced(
    database_url: str, tmp_path: Path
) -> None:
    arguments = ("serve", "--port", "0", "--data-dir", str(tmp_path / "data"))
    command = (sys.executable, "-P", "-m", "apphub_jobs", "run", "cut")
    with started(*arguments, APPHUB_DATABASE_URL=database_url) as first:
        async with (
            CuttingProxy(await asyncio.to_thread(first.url), 1_000_000) as proxy,
            AsyncClient(proxy.url) as client,
        ):
            await client.register({"slug": "cut", **DEFINITION})
            env = {**without_settings(), "APPHUB_URL": proxy.url}
            waiting = await asyncio.create_subprocess_exec(*command, env=env, stderr=PIPE)
            try:
                # That no worker is there to take it may be said before.
                await _line_with(b"launched", waiting)
                await asyncio.to_thread(first.stop)
                await _line_with(b"does not answer", waiting)
                with started(*arguments, APPHUB_DATABASE_URL=database_url) as second:
                    proxy.server = await asyncio.to_thread(second.url)
                    [run] = [run async for run in client.runs(job="cut")]
                    await run.cancel("enough")
                    await _line_with(b"canceled before it started: enough", waiting)
                assert await waiting.wait() == CANCELED
            finally:
                if waiting.returncode is None:
                    waiting.kill()
                    await waiting.wait()


async def _line_with(words: bytes, process: asyncio.subprocess.Process) -> None:
    """Read what a process says until a line has these words; its end before that is a failure."""
    assert process.stderr is not None
    lines: list[bytes] = []
    while line := await process.stderr.readline():
        lines.append(line)
        if words in line:
            return
    pytest.fail(f"{words!r} is in none of {lines}")


async def test_a_log_is_followed_however_long_nothing_is_printed(
    service_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "SILENCE_S", 0.2)
    slug = unique("silent")
    async with (
        CuttingProxy(service_url, 1_000_000) as proxy,
        AsyncClient(proxy.url, retry_for=0) as client,
    ):
        await client.register({"slug": slug, **DEFINITION})
        run = await client.options(delay="1h").launch(slug)
        following = asyncio.create_task(_lines(run))
        while proxy.connections < CUTS and not following.done():
            await asyncio.sleep(0.05)
        await run.cancel()
        assert await following == []


async def _lines(run: AsyncRun[object]) -> list[str]:
    return [line async for line in run.logs(follow=True)]


async def test_nobody_is_asked_for_a_run_that_has_ended(service_url: str) -> None:
    slug = unique("ended")
    async with AsyncClient(service_url) as client:
        await client.register({"slug": slug, **DEFINITION})
        run = await client.options(delay="1h").launch(slug)
        await run.cancel()
    assert (await run.wait(0)).status == "canceled"
