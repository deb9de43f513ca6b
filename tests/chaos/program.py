"""The program: start everything, hurt it for some minutes, let it settle, count."""

import argparse
import asyncio
import random
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import psycopg

from runtime.tasks import end, start_once
from tests.chaos import tally as counting
from tests.chaos.clients import LAUNCHERS, Follower, Launcher, Promises, register
from tests.chaos.cluster import Cluster
from tests.chaos.faults import Faults
from tests.chaos.recovery import KILLS, hurt_alone, tell_recovery
from tests.chaos.tally import Tally
from tests.support.clusters.two_nodes import has_ray
from tests.support.wires.cutting import CuttingProxy

LEASE_S = 5.0

SETTLED_AFTER_S = 90.0
"""So long may runs take once all faults are over: leases, retries, and the queue."""

STILL_S = 3.0
"""A log in which so long nothing is appended stays as it is."""

MEAN_STREAM_BYTES = 200_000

UNFINISHED = """
    SELECT (SELECT count(*) FROM job_runs WHERE status IN ('pending', 'running')),
           (SELECT coalesce(max(notification_id), 0) FROM jobs_events)
"""


async def chaos(
    directory: Path, seed: int, minutes: float, kills: int = KILLS, *, with_ray: bool = False
) -> Tally:
    """Return the tally of one round; at its end so many workers are killed one by one."""
    random_ = random.Random(seed)
    proofs = directory / "proofs"
    for kind in ("runs", "keys", "seats"):
        (proofs / kind).mkdir(parents=True)
    promises, tally = Promises(), Tally()
    async with (
        Cluster(directory, random_, LEASE_S, with_ray=with_ray) as cluster,
        AsyncExitStack() as stack,
    ):
        keeping = [asyncio.create_task(cluster.look_after())]
        await register(cluster.api_urls)
        cutting = [
            await stack.enter_async_context(CuttingProxy(url, MEAN_STREAM_BYTES))
            for url in cluster.api_urls
        ]
        followers = [Follower(proxy.url, f"follower {n}") for n, proxy in enumerate(cutting)]
        keeping += [asyncio.create_task(follower.run()) for follower in followers]
        launchers = [
            asyncio.create_task(_launcher(cluster, proofs, seed, number, promises).run())
            for number in range(LAUNCHERS)
        ]
        faults = Faults(cluster, random_)
        hurting = asyncio.create_task(faults.run())
        losing = start_once("losing nodes of Ray", faults.lose_nodes())
        await _go_on(minutes * 60, [*keeping, *launchers, hurting, losing])
        await end(hurting, losing)
        await faults.settle()
        alone = await hurt_alone(cluster, proofs, faults, promises, kills)
        await end(*launchers)
        await _settled(cluster, followers)
        counting.count_runs(tally, cluster, promises)
        counting.count_proofs(tally, proofs)
        await counting.count_stream(tally, cluster, followers)
        acked = directory / "acked"
        acked.write_text("".join(f"{run_id}\n" for run_id in promises.acked.values()))
        await counting.check(tally, cluster, acked)
        counting.count_ends(tally, cluster)
        tell_recovery(tally, cluster, promises, faults, alone)
        tally.notes.append(f"{faults.happened.total()} faults: {dict(faults.happened)}")
        await end(*keeping)
    return tally


def _launcher(
    cluster: Cluster, proofs: Path, seed: int, number: int, promises: Promises
) -> Launcher:
    own = random.Random(f"{seed} {number}")
    return Launcher(cluster.api_urls, proofs, own, promises)


async def _go_on(for_s: float, tasks: list["asyncio.Task[None]"]) -> None:
    """Wait; raise what ends one of the tasks, none of which should end."""
    until = monotonic() + for_s
    while monotonic() < until:
        for task in tasks:
            if task.done():
                task.result()
        await asyncio.sleep(0.2)


async def _settled(cluster: Cluster, followers: list[Follower]) -> None:
    """Wait until all runs are over and told, or no longer than they may take.

    What failed is noted a moment later: only a log that stays as it is has been told as a whole.
    """
    until = monotonic() + SETTLED_AFTER_S
    last_head = 0
    still_since = monotonic()
    while monotonic() < until:
        await asyncio.sleep(0.5)
        # It may still be replaying its journal.
        with suppress(psycopg.OperationalError):
            unfinished, head = await _looked_at(cluster)
            if head != last_head:
                last_head = head
                still_since = monotonic()
            are_up_to_date = all(follower.position >= head for follower in followers)
            if are_up_to_date and not unfinished and monotonic() > still_since + STILL_S:
                return


async def _looked_at(cluster: Cluster) -> tuple[int, int]:
    """Return how many runs are unfinished, and the position of the last event."""
    async with await psycopg.AsyncConnection.connect(cluster.url) as connection:
        cursor = await connection.execute(UNFINISHED)
        [(unfinished, head)] = await cursor.fetchall()
    return unfinished, head


def main() -> int:
    """Run one round, and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--minutes", type=float, default=5.0)
    arguments = parser.parse_args()
    sys.stdout.write(f"seed {arguments.seed}, {arguments.minutes:g} minutes\n")
    with TemporaryDirectory(prefix="chaos-") as name:
        going = chaos(Path(name), arguments.seed, arguments.minutes, with_ray=has_ray())
        tally = asyncio.run(going)
    sys.stdout.write(tally.show() + "\n")
    return 0 if tally.is_clean else 1
