"""Clients that ask until they have an answer, and keep what they were promised."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from uuid import UUID

import httpx

from apphub_jobs.stream import Stream, StreamRefusedError
from tests.chaos.handlers import SEATS
from tests.support.stream.expected import ComparableMessage, comparable

LAUNCHERS = 4
MEAN_PAUSE_S = 0.6
"""Of each launcher, between two launches."""

TIMEOUT_S = 8.0

KINDS = ("plain", "plain", "plain", "daemon", "talk", "fail", "crash")
SHARED_KINDS = ("plain", "plain", "plain", "fail", "crash")
"""Of runs whose attempts share a process: what one of them leaves behind would hold the locks of
all."""

SHARED = "shared"

RETRIES = {"maxAttempts": 10, "initialDelayMs": 50, "maxDelayMs": 1_000}

JOBS = (
    {"slug": "free"},
    {"slug": "keyed", "concurrencyKey": "key"},
    {"slug": "limited", "maxConcurrentRuns": SEATS},
    {"slug": SHARED, "isolation": "shared", "entryPoint": "chaos.share"},
)


@dataclass
class Promises:
    """What clients were told.

    Attributes:
        acked: run ids by the idempotency key under which they were launched.
        doubled: keys under which two different runs were named.
        refused: answers that no client should get.
        accepted_at: when launches were accepted, by the monotonic clock.
    """

    acked: dict[str, str] = field(default_factory=dict)
    doubled: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    accepted_at: list[float] = field(default_factory=list)
    slowest_s: float = 0.0

    def keep(self, key: str, run_id: str) -> None:
        """Keep the answer to a launch."""
        self.accepted_at.append(monotonic())
        if self.acked.setdefault(key, run_id) != run_id:
            self.doubled.append(key)


class Launcher:
    """Launches runs at any API that answers; each under a key, so that asking again is safe."""

    def __init__(
        self, urls: list[str], proofs: Path, random_: random.Random, promises: Promises
    ) -> None:
        self._urls = urls
        self._proofs = proofs
        self._random = random_
        self._promises = promises

    async def run(self) -> None:
        """Launch for ever, and cancel now and then."""
        async with http_client() as client:
            while True:
                await asyncio.sleep(self._random.expovariate(1 / MEAN_PAUSE_S))
                slug = str(self._random.choice(JOBS)["slug"])
                run_id = await self.launch(client, slug, self._parameters(slug))
                if self._random.random() < 0.1:
                    await self._cancel(client, run_id)

    async def launch(
        self, client: httpx.AsyncClient, slug: str, parameters: Mapping[str, object]
    ) -> str:
        """Launch a run: ask any API until one answers; return the run's id."""
        key = str(UUID(int=self._random.getrandbits(128), version=4))
        body = {"parameters": parameters}
        began = monotonic()
        while True:
            url = self._random.choice(self._urls)
            try:
                answer = await client.post(
                    f"{url}/jobs/{slug}/run", json=body, headers={"Idempotency-Key": key}
                )
            except httpx.TransportError:
                await asyncio.sleep(0.1)
                continue
            if answer.is_success:
                run_id = str(answer.json()["data"]["id"])
                self._promises.keep(key, run_id)
                self._promises.slowest_s = max(self._promises.slowest_s, monotonic() - began)
                return run_id
            if answer.status_code < 500:
                self._promises.refused.append(f"{answer.status_code} {answer.text[:300]}")
            await asyncio.sleep(0.1)

    def _parameters(self, slug: str) -> dict[str, object]:
        kinds = SHARED_KINDS if slug == SHARED else KINDS
        return {
            "directory": str(self._proofs),
            "kind": self._random.choice(kinds),
            "forMs": int(self._random.expovariate(1 / 300)),
            "key": self._random.choice("abcdef") if slug == "keyed" else None,
            "seat": slug == "limited",
        }

    async def _cancel(self, client: httpx.AsyncClient, run_id: str) -> None:
        url = self._random.choice(self._urls)
        try:
            await client.post(f"{url}/job-runs/{run_id}/cancel")
        except httpx.TransportError:
            return


class Follower:
    """Follows the stream by the client that users have; `told` is all that it was given."""

    def __init__(self, url: str, name: str) -> None:
        self.name = name
        self.received: list[ComparableMessage] = []
        self.refused: str | None = None
        self._url = url

    async def run(self) -> None:
        """Follow from the log's beginning, for ever."""
        try:
            async for message in Stream(self._url, after=0):
                self.received.append(comparable(message))
        except StreamRefusedError as error:
            self.refused = str(error)

    @property
    def position(self) -> int:
        """How far it has come."""
        return self.received[-1].position if self.received else 0


async def register(urls: list[str]) -> None:
    """Register the jobs; the APIs may still be starting."""
    async with http_client() as client:
        for job in JOBS:
            body = {
                "name": job["slug"],
                "type": "batch",
                "entryPoint": "chaos.work",
                "retryPolicy": RETRIES,
                "timeoutMs": 30_000,
                **job,
            }
            await _post_until_taken(client, f"{urls[0]}/jobs", body)


async def _post_until_taken(client: httpx.AsyncClient, url: str, body: object) -> None:
    may_be_taken = False
    while True:
        answer: httpx.Response | None = None
        with suppress(httpx.TransportError):
            answer = await client.post(url, json=body)
        if answer is None or answer.is_server_error:
            may_be_taken = True
            await asyncio.sleep(0.1)
            continue
        is_repeated = may_be_taken and answer.status_code == httpx.codes.CONFLICT
        assert answer.is_success or is_repeated, answer.text
        return


@asynccontextmanager
async def http_client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
        yield client
