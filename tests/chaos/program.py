"""The program: start everything, hurt it for some minutes, let it settle, count."""

import argparse
import asyncio
import logging
import os
import random
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from time import monotonic

import psycopg

from runtime.tasks import end_tasks, start_once
from tests.chaos import tally as counting
from tests.chaos.clients import LAUNCHERS, Follower, Launcher, Promises, register
from tests.chaos.cluster import Cluster
from tests.chaos.faults import Faults
from tests.chaos.recovery import KILLS, hurt_alone, tell_recovery
from tests.chaos.tally import Tally
from tests.support.clusters.two_nodes import has_ray
from tests.support.wires.cutting import CuttingProxy

logger = logging.getLogger(__name__)

LEASE_S = 5.0

STARTED_AFTER_S = 120.0
"""So long the first start may take."""

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
        logger.info("registering jobs")
        async with asyncio.timeout(STARTED_AFTER_S):
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
        logger.info("hurting everything for %g minutes", minutes)
        await _go_on(minutes * 60, [*keeping, *launchers, hurting, losing])
        await end_tasks(hurting, losing)
        logger.info("waiting until the faults are over")
        await faults.settle()
        logger.info("killing %s workers one by one", kills)
        alone = await hurt_alone(cluster, proofs, faults, promises, kills)
        await end_tasks(*launchers)
        logger.info("waiting until all runs have ended")
        await _settle(cluster, followers, tally)
        logger.info("counting")
        counting.count_runs(tally, cluster, promises)
        counting.count_proofs(tally, proofs)
        await counting.count_stream(tally, cluster, followers)
        acked = directory / "acked"
        acked.write_text("".join(f"{run_id}\n" for run_id in promises.acked.values()))
        await counting.check(tally, cluster, acked)
        counting.count_ends(tally, cluster)
        tell_recovery(tally, cluster, promises, faults, alone)
        tally.notes.append(f"{faults.happened.total()} faults: {dict(faults.happened)}")
        await end_tasks(*keeping)
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


async def _settle(cluster: Cluster, followers: list[Follower], tally: Tally) -> None:
    """Wait until all runs are over and followed, or no longer than they may take, which is noted.

    Failures are recorded a moment later: only a log that stays as it is has been followed to its
    end.
    """
    until = monotonic() + SETTLED_AFTER_S
    last_head = unfinished = 0
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
    positions = [follower.position for follower in followers]
    tally.notes.append(
        f"counted before all was over, after {SETTLED_AFTER_S:g} s: {unfinished} runs unfinished, "
        f"the last event at {last_head}, followers at {positions}"
    )


async def _looked_at(cluster: Cluster) -> tuple[int, int]:
    """Return how many runs are unfinished, and the position of the last event."""
    async with await psycopg.AsyncConnection.connect(cluster.url) as connection:
        cursor = await connection.execute(UNFINISHED)
        [(unfinished, head)] = await cursor.fetchall()
    return unfinished, head


def main() -> int:
    """Run one round, and say how it went, also in a file that has all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--output", type=Path, help="the file; one in the temporary directory")
    arguments = parser.parse_args()
    output = arguments.output
    if output is None:
        output = Path(gettempdir()) / f"chaos-{arguments.seed}-{os.getpid()}.txt"
    _write_to(output)
    logger.info("seed %s, %g minutes", arguments.seed, arguments.minutes)
    try:
        with TemporaryDirectory(prefix="chaos-") as name:
            going = chaos(Path(name), arguments.seed, arguments.minutes, with_ray=has_ray())
            tally = asyncio.run(going)
    except Exception:
        logger.exception("not counted: the step that is named last has failed")
        logger.info("all of it is in %s", output)
        return 1
    logger.debug("everything that was counted:\n%s", tally.show())
    logger.info("%s\nall of it is in %s", tally.show(most=5), output)
    return 0 if tally.is_clean else 1


def _write_to(output: Path) -> None:
    """Write the steps to standard output, and these and the processes' last words to a file."""
    on_screen = logging.StreamHandler(sys.stdout)
    on_screen.setLevel(logging.INFO)
    on_screen.addFilter(logging.Filter("tests.chaos"))
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        handlers=[on_screen, logging.FileHandler(output, mode="w")],
    )
    logging.getLogger("tests.chaos").setLevel(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.WARNING)
