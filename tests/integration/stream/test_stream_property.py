"""Wherever clients are cut off, whatever is lost or commits late: all get the whole log."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest

from api.stream.frames import message_types
from domain.errors import ConflictError
from domain.jobs.launching import Launch
from domain.jobs.run_events import AttemptFailure, Report
from runtime.tasks import end_tasks
from tests.support.databases import lose_notifications
from tests.support.logs import TESTER, Parts, parts, registered
from tests.support.processes import Process, started
from tests.support.stream.expected import ComparableMessage, messages_of_log
from tests.support.stream.followers import Follower

EVENTS = int(os.environ.get("APPHUB_STREAM_EVENTS", "2000"))
"""`make stream` has more."""

SLUGS = ["free", "Quiet", "third"]

COPY = """
    INSERT INTO jobs_events (originator_id, originator_version, topic, state)
    SELECT %s, 1, topic, state FROM jobs_events
    WHERE topic = 'job_run.requested' ORDER BY random() LIMIT 1
"""


def check(tasks: list["asyncio.Task[None]"]) -> None:
    """Raise what ended a task that should go on."""
    for task in tasks:
        if task.done():
            task.result()


class Writers:
    """Append events, each in their own way, until there are enough."""

    def __init__(self, url: str, api_url: str) -> None:
        self._url = url
        self._api_url = api_url

    async def run(self) -> None:
        async with parts(self._url) as one, parts(self._url) as two, parts(self._url) as three:
            for slug in SLUGS:
                await registered(one.jobs, slug)
            writing = [
                asyncio.create_task(self._launch(part))
                for part in (one, two, three)
                for _ in range(20)
            ]
            writing += [asyncio.create_task(self._work(part)) for part in (one, two)]
            writing += [
                asyncio.create_task(self._hold_open()),
                asyncio.create_task(self._use_the_catalog()),
            ]
            while await one.reader.head() < EVENTS:
                await asyncio.wait(writing, timeout=0.1)
                check(writing)
            await end_tasks(*writing)
            for slug in SLUGS:  # What every filter waits for.
                await one.jobs.launch(slug, Launch(), TESTER)

    async def _launch(self, part: Parts) -> None:
        while True:
            slug = random.choices(SLUGS, (10, 1, 10))[0]
            launched = await part.jobs.launch(slug, Launch(max_attempts=2), TESTER)
            await asyncio.sleep(random.expovariate(200))
            if random.random() < 0.3:
                with suppress(ConflictError):
                    await part.jobs.cancel(launched.run_id, None, TESTER)

    async def _work(self, part: Parts) -> None:
        worker_id = await part.worker(f"worker-{uuid4()}", lease_ms=600_000)
        while True:
            for claim in await part.executions.claim(worker_id, random.randint(1, 20)):
                if random.random() < 0.3:
                    await part.executions.fail(
                        claim.run.id, claim.holder, AttemptFailure("at random"), Report()
                    )
                else:
                    await part.executions.hand_back(claim.run.id, claim.holder)
            await asyncio.sleep(random.expovariate(100))

    async def _hold_open(self) -> None:
        """Draw positions and commit them late, or never."""
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
            while True:
                async with connection.transaction(force_rollback=random.random() < 0.3):
                    await connection.execute(COPY, (uuid4(),))
                    await asyncio.sleep(random.uniform(0, 0.1))
                await asyncio.sleep(random.uniform(0, 0.3))

    async def _use_the_catalog(self) -> None:
        async with httpx.AsyncClient(base_url=self._api_url, timeout=90) as client:
            while True:
                app = {"id": f"app-{uuid4()}", "name": "An app", "repoUrl": "/srv/x"}
                (await client.post("/apps", json=app)).raise_for_status()
                (await client.post(f"/apps/{app['id']}/builds", json={})).raise_for_status()
                await asyncio.sleep(random.uniform(0, 0.2))


Wants = Callable[[ComparableMessage], bool]

CHANGES = "job.run.pending,job.run.running"
CATALOG = "repository.*,job.run.pending"
RARE = "build.updated,job.definition.*,job.run.pending"


def of_types(*kinds: str) -> Wants:
    return lambda message: message.type in kinds


def of_job(slug: str, *kinds: str) -> Wants:
    return lambda message: message.slug == slug and message.type in kinds


def followers(url: str) -> list[tuple[Follower, Wants]]:
    """Return clients, each with what it wants to know."""
    changes = of_types("job.run.pending", "job.run.running")
    catalog = of_types("repository.updated", "repository.ingestion-event", "job.run.pending")
    rare = of_types("build.updated", "job.definition.updated", "job.run.pending")
    return [
        (Follower(url, "ws", {}), of_types(*message_types())),
        (Follower(url, "ws", {}, slowness_s=0.3), of_types(*message_types())),
        (Follower(url, "events", {}, position=None), of_types(*message_types())),
        (Follower(url, "ws", {"types": CHANGES}), changes),
        (Follower(url, "events", {"types": CHANGES}), changes),
        (Follower(url, "ws", {"job": "quiet"}), of_job("Quiet", *message_types())),
        (Follower(url, "events", {"job": "QUIET"}), of_job("Quiet", *message_types())),
        (
            Follower(url, "ws", {"job": "quiet", "types": "job.run.updated"}),
            of_job("Quiet", "job.run.updated"),
        ),
        (Follower(url, "events", {"types": CATALOG}), catalog),
        (Follower(url, "ws", {"types": RARE}), rare),
    ]


@pytest.mark.slow
@pytest.mark.timeout(240 + EVENTS // 20)
async def test_every_client_gets_the_whole_log_in_its_order(
    database_url: str, tmp_path: Path
) -> None:
    seed = random.randrange(1_000_000)
    random.seed(seed)
    print("seed", seed)
    lose_notifications(database_url, share=0.5)

    async def scenario(api: Process) -> None:
        clients = followers(api.url())
        following = [asyncio.create_task(client.follow()) for client, _ in clients]
        try:
            await Writers(database_url, api.url()).run()
            async with parts(database_url) as part:
                log = await messages_of_log(part.reader)
            expected = [[message for message in log if wants(message)] for _, wants in clients]
            async with asyncio.timeout(90 + EVENTS / 25):
                while any(
                    not client.messages or client.messages[-1].position < whole[-1].position
                    for (client, _), whole in zip(clients, expected, strict=True)
                ):
                    await asyncio.wait(following, timeout=0.05)
                    check(following)
        finally:
            await end_tasks(*following)
        for (client, _), whole in zip(clients, expected, strict=True):
            # The log may have grown since it was read.
            assert [
                message for message in client.messages if message.position <= log[-1].position
            ] == [message for message in whole if message.position > client.started_after], client
        cuts = sum((client.cuts for client, _ in clients), start=Counter[str]())
        assert min(cuts["mid-position"], cuts["between positions"]) > min(EVENTS // 250, 20), cuts

    with started(
        "serve",
        "--port",
        "0",
        "--data-dir",
        str(tmp_path / "data"),
        APPHUB_DATABASE_URL=database_url,
    ) as api:
        await scenario(api)
    assert [
        line
        for line in api.errors
        if "Traceback" in line or "ERROR" in line or "had failed" in line
    ] == []
