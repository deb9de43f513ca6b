"""What may go wrong: one function a fault. Each hurts, waits, and lets go again."""

import asyncio
import logging
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from time import monotonic, sleep

import psycopg

from tests.chaos.cluster import Cluster, Member
from tests.support.clusters.two_nodes import TwoNodes

logger = logging.getLogger(__name__)

Fault = Callable[["Faults"], Coroutine[None, None, None]]

MEAN_PAUSE_S = 2.5
"""Between two faults; some go on beside each other."""

BALLAST_BYTES = 80 << 20

NODE = "second"
"""The node of Ray that may be lost; the first one holds the cluster together."""


class Faults:
    """Hurts the cluster at random moments.

    Attributes:
        happened: how often which fault has begun.
        database_back_at: when PostgreSQL took connections again, by the monotonic clock.
    """

    def __init__(self, cluster: Cluster, random_: random.Random) -> None:
        self.cluster = cluster
        self.random = random_
        self.happened: Counter[str] = Counter()
        self.database_back_at: list[float] = []
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            await asyncio.sleep(self.random.expovariate(1 / MEAN_PAUSE_S))
            fault = self.random.choices(FAULTS, WEIGHTS)[0]
            self.happened[fault.__name__.replace("_", " ")] += 1
            task = asyncio.create_task(fault(self), name=fault.__name__)
            self._under_way.add(task)
            task.add_done_callback(self._end)

    async def lose_nodes(self) -> None:
        """Kill a node of Ray every few seconds, for another to come; until cancelled."""
        nodes = self.cluster.nodes
        while nodes is not None:
            await asyncio.sleep(self.random.uniform(0, 4))
            self.happened["lose a node of Ray"] += 1
            # In one thread, which goes on if nobody waits for it any more.
            await asyncio.to_thread(_replace, nodes, self.random.uniform(0, 3))

    async def settle(self) -> None:
        """Wait until every fault under way has let go."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    def _end(self, task: "asyncio.Task[None]") -> None:
        """Note a fault that could not be made: the others go on."""
        self._under_way.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("%s failed", task.get_name(), exc_info=task.exception())

    def somebody(self) -> Member:
        """Return any process of the service."""
        return self.random.choice(self.cluster.members)

    def worker(self) -> Member:
        """Return any worker."""
        return self.random.choice(self.cluster.workers)

    def about_the_lease_s(self) -> float:
        """Return a time that may be shorter or longer than the lease, often by little."""
        lease_s = self.cluster.lease_s
        return self.random.choice(
            [
                self.random.uniform(0.3, 0.9) * lease_s,
                lease_s + self.random.uniform(-0.3, 2.5),
                self.random.uniform(1.5, 2.5) * lease_s,
            ]
        )


async def kill_a_worker(faults: Faults) -> None:
    """As out of memory would."""
    faults.worker().kill()


async def kill_an_api(faults: Faults) -> None:
    """Launches under way may have been taken, or not."""
    faults.random.choice(faults.cluster.apis).kill()


async def freeze_a_worker(faults: Faults) -> None:
    """It neither beats nor ends anything meanwhile, and goes on as if nothing had been."""
    await _frozen(faults.worker(), faults.about_the_lease_s())


async def freeze_an_api(faults: Faults) -> None:
    """Whatever it holds in the database stays held, until the server loses patience."""
    await _frozen(faults.random.choice(faults.cluster.apis), faults.random.uniform(0.5, 6))


async def cut_a_connection(faults: Faults) -> None:
    """All connections of one process at once."""
    faults.somebody().proxy.lose_all()


async def refuse_connections(faults: Faults) -> None:
    """One process cannot reach the database for a while."""
    proxy = faults.somebody().proxy
    proxy.refusing = True
    proxy.lose_all()
    await asyncio.sleep(faults.about_the_lease_s())
    proxy.refusing = False


async def stall_everything(faults: Faults) -> None:
    """Connections stay open, and nothing comes through."""
    proxy = faults.somebody().proxy
    await _stalled(proxy.requests_flow, proxy.answers_flow, s=faults.about_the_lease_s())


async def stall_answers(faults: Faults) -> None:
    """What the process asks for is done, but it hears nothing of it."""
    proxy = faults.somebody().proxy
    await _stalled(proxy.answers_flow, s=faults.about_the_lease_s())


async def lose_an_answer(faults: Faults) -> None:
    """The server acts on some message, often a COMMIT; its answer is lost with the connection."""
    faults.somebody().proxy.cut_at(faults.random.randint(1, 40), "after")


async def kill_a_session(faults: Faults) -> None:
    """As an administrator would."""
    with suppress(psycopg.OperationalError):
        async with await psycopg.AsyncConnection.connect(
            faults.cluster.url, autocommit=True, connect_timeout=5
        ) as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
                " ORDER BY random() LIMIT 3"
            )


async def restart_postgresql(faults: Faults) -> None:
    """It crashes, replays its journal, and is there again."""
    before = 0
    with suppress(OSError, ValueError, IndexError):
        before = faults.cluster.postmaster()
        os.kill(before, signal.SIGQUIT)
    started = monotonic()
    while monotonic() - started < 60:
        with suppress(psycopg.OperationalError, OSError, ValueError, IndexError):
            if faults.cluster.postmaster() == before:
                await asyncio.sleep(0.05)
                continue
            async with await psycopg.AsyncConnection.connect(faults.cluster.url, connect_timeout=2):
                faults.database_back_at.append(monotonic())
                return
        await asyncio.sleep(0.05)


async def fill_the_disk(faults: Faults) -> None:
    """Where run logs are written."""
    ballast = faults.cluster.disk / "ballast"
    with suppress(OSError), ballast.open("wb") as file:
        for _ in range(BALLAST_BYTES >> 16):
            file.write(b"x" * (1 << 16))
    await asyncio.sleep(faults.about_the_lease_s())
    ballast.unlink(missing_ok=True)


async def lock_a_table(faults: Faults) -> None:
    """As an operator's DDL would."""
    with suppress(psycopg.OperationalError):
        async with await psycopg.AsyncConnection.connect(
            faults.cluster.url, connect_timeout=5
        ) as connection:
            await connection.execute("SET lock_timeout = '3s'")
            await connection.execute("LOCK TABLE job_runs")
            await asyncio.sleep(faults.random.uniform(0.2, 3))


def _replace(nodes: TwoNodes, after_s: float) -> None:
    nodes.kill(NODE)
    sleep(after_s)
    nodes.add(NODE)


async def _frozen(member: Member, for_s: float) -> None:
    member.freeze()
    await asyncio.sleep(for_s)
    member.thaw()


async def _stalled(*flows: asyncio.Event, s: float) -> None:
    for flow in flows:
        flow.clear()
    await asyncio.sleep(s)
    for flow in flows:
        flow.set()


WEIGHTED: dict[Fault, int] = {
    kill_a_worker: 5,
    kill_an_api: 2,
    freeze_a_worker: 5,
    freeze_an_api: 2,
    cut_a_connection: 3,
    refuse_connections: 2,
    stall_everything: 3,
    stall_answers: 3,
    lose_an_answer: 5,
    kill_a_session: 3,
    restart_postgresql: 1,
    fill_the_disk: 2,
    lock_a_table: 2,
}

FAULTS, WEIGHTS = list(WEIGHTED), list(WEIGHTED.values())
