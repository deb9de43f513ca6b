"""A client whose connections are cut, and whose service is replaced, while it works."""

import asyncio
from pathlib import Path

from apphub_jobs import AsyncClient
from tests.integration.shared_api import unique
from tests.support.processes import started
from tests.support.wires.cutting import CuttingProxy

DEFINITION = {"name": "Cut", "type": "manual", "entryPoint": "nowhere"}

MEAN_BYTES = 1_500
"""An answer to a launch is about as long, so half of them are lost."""

CUTS = 5


async def test_launches_whose_answers_are_lost_lead_to_one_run_each(
    service_url: str,
) -> None:
    slug = unique("cut")
    async with AsyncClient(service_url) as direct:
        await direct.register({"slug": slug, **DEFINITION})
        ids = []
        async with (
            CuttingProxy(service_url, MEAN_BYTES) as proxy,
            AsyncClient(proxy.url) as client,
        ):
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
