"""A service under load, every answer of which is held against the log."""

import asyncio
import random
from collections.abc import Sequence
from time import monotonic
from uuid import UUID

import httpx

from domain.json_values import JsonObject
from domain.ports import Row
from projections import job_runs
from projections.envelope import Envelope
from tests.support.logs import Parts
from tests.support.wires.http_wire import Poster

READ_PAUSE_S = 0.02
"""So that the test's own process leaves something of two processors to what it tests."""

Sight = tuple[bool, JsonObject | None]
"""Whether a run was shown as its events say, and what was shown (None: not found)."""


class Load:
    """Launches and cancels runs over HTTP at a steady rate, and reads runs all the while.

    Attributes:
        launched: ids of the runs that it launched.
        took_s: from the first launch to the last answer.
        reads: answers held against the log.
    """

    def __init__(self, part: Parts, client: httpx.AsyncClient, slug: str, a_second: float) -> None:
        self._part = part
        self._client = client
        self._poster = Poster(str(client.base_url), connections=16)
        self._slug = slug
        self._pause_s = 1 / a_second
        self._over = asyncio.Event()
        self.launched: list[UUID] = []
        self.took_s = 0.0
        self.reads = 0

    def end(self) -> None:
        """Let everything come to its end."""
        self._over.set()

    async def launch(self) -> None:
        """Launch at the rate, cancel every third run; a refusal fails the test."""
        started, due = monotonic(), 0.0
        async with asyncio.TaskGroup() as group:
            while not self._over.is_set():
                group.create_task(self._launch(cancel=len(self.launched) % 3 == 0))
                due += self._pause_s
                await asyncio.sleep(max(0, started + due - monotonic()))
        await self._poster.close()
        self.took_s = monotonic() - started

    async def read(self, whole: Sequence[UUID], spoiled: Sequence[UUID]) -> None:
        """Read runs that must always be right, and spoiled ones, which stay right once they are."""
        mended: set[UUID] = set()
        while not self._over.is_set():
            await asyncio.sleep(READ_PAUSE_S)
            for run_id in (random.choice(whole), *self.launched[-1:]):
                right, run = await self.look(run_id)
                assert right, f"{run_id} was shown as {run}"
            for run_id in random.sample(spoiled, min(len(spoiled), 2)):
                right, run = await self.look(run_id)
                assert right or run_id not in mended, f"{run_id}, once mended, was shown as {run}"
                if right:
                    mended.add(run_id)

    async def look(self, run_id: UUID) -> Sight:
        """Read the run over HTTP: right is what its events said at some moment meanwhile."""
        before = await self._part.reader.histories([run_id])
        answer = await self._client.get(f"/job-runs/{run_id}")
        after = await self._part.reader.histories([run_id])
        self.reads += 1
        if answer.status_code == 404:
            return False, None
        run = answer.raise_for_status().json()["data"]["run"]
        return any(
            _presented(after[:count]) == run for count in range(len(before), len(after) + 1)
        ), run

    async def _launch(self, *, cancel: bool) -> None:
        body = {"parameters": {"number": len(self.launched)}, "delayMs": 3_600_000}
        run_id = UUID((await self._poster.post(f"/jobs/{self._slug}/run", body))["data"]["id"])
        if cancel:
            await self._poster.post(f"/job-runs/{run_id}/cancel", {})
        self.launched.append(run_id)


def _presented(events: Sequence[Envelope]) -> JsonObject:
    row: Row | None = None
    for event in events:
        row = job_runs.TABLE.fold(row, event)
    assert row is not None
    return job_runs.present(row)
