"""`GET /ready` of a real API: well, without its database, and with a reader that stands still."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.support.in_process import in_process
from tests.support.logs import query
from tests.support.processes import started
from tests.support.wires.proxy import Proxy

PATIENCE_S = 90.0

OLD_EVENT = """
    INSERT INTO jobs_events (originator_id, originator_version, topic, state, recorded_at)
    SELECT gen_random_uuid(), 1, topic, state, now() - interval '1 minute'
    FROM jobs_events ORDER BY notification_id LIMIT 1
    RETURNING notification_id
"""


@asynccontextmanager
async def _api(url: str, data_dir: Path) -> AsyncIterator[httpx.AsyncClient]:
    command = ("serve", "--port", "0", "--data-dir", str(data_dir), "--seal-every-s", "0")
    with started(*command, APPHUB_DATABASE_URL=url) as process:
        address = await asyncio.to_thread(process.url)
        async with httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client:
            yield client


async def _becomes(client: httpx.AsyncClient, status: int) -> httpx.Response:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = await client.get("/ready")
            if answer.status_code == status:
                return answer
            await asyncio.sleep(0.05)


async def test_a_process_is_ready_while_its_database_is_there(
    database_url: str, tmp_path: Path
) -> None:
    async with Proxy(database_url) as proxy, _api(proxy.url, tmp_path) as client:
        assert (await _becomes(client, 200)).json() == {"status": "ok"}
        proxy.refusing = True
        proxy.lose_all()
        [reason, *_] = (await _becomes(client, 503)).json()["reasons"]
        assert reason.startswith("database: ")
        assert (await client.get("/health")).status_code == 200
        proxy.refusing = False
        await _becomes(client, 200)


def test_a_reader_that_follows_no_more_is_not_ready(database_url: str, tmp_path: Path) -> None:
    with in_process(database_url, tmp_path) as api:
        assert api.client.get("/ready").status_code == 200
        task = api.hub._task
        assert task is not None
        stopping = asyncio.run_coroutine_threadsafe(task.end(), task.task.get_loop())
        stopping.result(PATIENCE_S)
        query(database_url, OLD_EVENT)
        answer = api.client.get("/ready")
        assert answer.status_code == 503
        reader, ended = answer.json()["reasons"]
        assert reader.startswith("reader: an event has waited for 60 s")
        assert ended.startswith("task stream hub: ended")
        assert api.client.get("/health").status_code == 200
