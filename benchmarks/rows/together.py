"""Both end to end: runs that do nothing, launched over HTTP while a worker executes them.

Ours with a process each and sharing one, and the peers, in turns.

    python -m benchmarks.rows.together [--quick] [--rounds N] [--seconds S] [--json FILE]

64 connections launch as many as are executed, and always some wait. What the tables show as
succeeded is counted.
"""

import asyncio
from dataclasses import replace
from functools import partial
from time import perf_counter

import uvloop

from benchmarks.harness.alone import run_alone
from benchmarks.harness.load import Clients, Launched
from benchmarks.harness.processes import READY_S, BrokenError
from benchmarks.harness.processors import A_SECOND, Meter, Rounds, medians, meter
from benchmarks.harness.results import Bench, Reference, Row, in_turns
from benchmarks.harness.systems import (
    BODY,
    OURS,
    PGQUEUER,
    PROCRASTINATE,
    SHARED,
    Site,
    System,
    installed_peers,
    site,
)

WAITING = 500
"""Beyond these nobody launches; enough for a look at the tables now and then to be often enough."""

LOOK_EVERY_S = 0.1

FIRST = 20
"""Runs that a worker executes before its start-up begins, and then the clock."""

GOALS = {PGQUEUER.label: 1.2, PROCRASTINATE.label: 3.0}

SHARED_GOALS = {PGQUEUER.label: 2.5, PROCRASTINATE.label: 7.0}


def measure(bench: Bench) -> list[Row]:
    """Measure all in turns."""
    used: Rounds = {}
    peers = installed_peers(bench)
    systems = (OURS, SHARED, *peers)
    figures = in_turns(
        bench, {system.label: partial(_together, bench, system, used) for system in systems}
    )

    def row(name: str, how: str, ours: System, goals: dict[str, float]) -> Row:
        references = [
            Reference(peer.label, figures[peer.label], goals[peer.label]) for peer in peers
        ]
        title = f"no-op runs, launch to end over HTTP, {how}"
        return Row(name, title, "/s", figures[ours.label], references)

    alone = row("noop", "a process each", OURS, GOALS)
    return [
        replace(alone, processor=medians(used)),
        row("shared", "sharing a process", SHARED, SHARED_GOALS),
    ]


def _together(bench: Bench, system: System, used: Rounds) -> float:
    """Return how many runs end a second while as many are launched."""
    with (
        site(bench, system) as own,
        own.api() as url,
        own.worker(),
        meter(own.url, own.pids) as metering,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        read = runner.run(_launch_and_watch(bench, own, url, metering))
    used.setdefault(system.label, []).append(read)
    return read[A_SECOND]


async def _launch_and_watch(bench: Bench, own: Site, url: str, metering: Meter) -> dict[str, float]:
    effort, launched = bench.effort, Launched()
    clients = Clients(url, BODY, launched)

    async def watch(seconds: float, at_least: int) -> int:
        """Keep some waiting until the time is over and so many have ended; return how many have."""
        began = perf_counter()
        while True:
            completed = await asyncio.to_thread(own.completed, metering.session)
            launched.allowed = completed + WAITING
            took = perf_counter() - began
            if took >= seconds and completed >= at_least:
                return completed
            if took > seconds + READY_S:
                raise BrokenError(f"{own.system.label} executed too little in {took:.0f} s")
            await asyncio.sleep(LOOK_EVERY_S)

    await clients.start()
    before = await watch(effort.start_up_s, await watch(0, FIRST))
    metering.restart()
    done = await watch(effort.seconds, before + 1) - before
    read = metering.read(done)
    await clients.stop()
    return read


if __name__ == "__main__":
    run_alone(measure, __doc__)
