"""The real service as the model's rules use it: an API, and workers' commands on its log."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg

from apphub_jobs.stream import Stream
from tests.support.logs import Parts, parts
from tests.support.processes import started

T = TypeVar("T")

PATIENCE_S = 90.0


class Service:
    """Clients speak HTTP to the API; workers' commands run in a loop of their own."""

    def __init__(self, url: str, database_url: str, loop: asyncio.AbstractEventLoop) -> None:
        self.url = url
        self._database_url = database_url
        # One for all questions: to open another for each would take more time than to ask.
        self._looking = psycopg.connect(database_url, autocommit=True)
        self.http = httpx.Client(base_url=url, timeout=PATIENCE_S)
        self.notified: dict[str, str] = {}
        self.position = 0
        self._loop = loop
        self.part: Parts = self.do(self._open())

    def do(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine comes to."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE_S)

    def query(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return a query's rows."""
        return self._looking.execute(sql, parameters).fetchall()

    def close(self) -> None:
        """Let go of everything."""
        self._looking.close()
        self.http.close()
        self.do(self._close())

    def resume(self, head: int) -> None:
        """Follow the stream from where it was left up to the head; keep each run's last state."""
        self.do(self._resume(head))

    async def _resume(self, head: int) -> None:
        if head <= self.position:
            return
        async with asyncio.timeout(PATIENCE_S):
            async for message in Stream(self.url, after=self.position):
                assert message["position"] >= self.position, "the stream went back"
                self.position = message["position"]
                run = message["data"].get("run")
                if run is not None:
                    self.notified[run["id"]] = run["status"]
                if self.position >= head:
                    return

    async def _open(self) -> Parts:
        self._context = parts(self._database_url)
        return await self._context.__aenter__()

    async def _close(self) -> None:
        await self._context.__aexit__(None, None, None)


@contextmanager
def running(database_url: str, data_dir: Path) -> Iterator[Service]:
    """Run the service; nothing but the model's rules executes anything."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    command = ("serve", "--port", "0", "--data-dir", str(data_dir))
    with started(*command, APPHUB_DATABASE_URL=database_url) as api:
        service = Service(api.url(), database_url, loop)
        try:
            yield service
        finally:
            service.close()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
