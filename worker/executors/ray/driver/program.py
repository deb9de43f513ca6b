"""The program of the driver: it connects to Ray, and runs there what the worker says.

Arguments: JSON with `address`, `runtimeEnv` and `slots`. Standard input: lines from the worker, and
its end is the worker's end. Standard output: first whether the cluster is there, then `room` again
and again, and of each attempt where it began, then what its host says of it, its `end` last.
"""

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from importlib import import_module
from secrets import token_hex
from typing import Any

from runtime.background_tasks import end, start_once
from worker.executors.ray.driver.attempts import RayTask, options_of
from worker.executors.ray.driver.cluster import Cluster, in_short
from worker.executors.ray.node.relay import relay
from worker.executors.ray.node.watcher import Watcher
from worker.executors.ray.wire import line_of, reading

LOCAL = "local"

SHUTDOWN_S = 20
"""How long Ray may take to disconnect. It may wait for ever for a cluster that is gone, and
whoever would end this process may be gone, too."""

FIRST_NODE_S = 60.0
"""How long to wait for a node before attempts may be given, which wait for one then."""


class Driver:
    """Runs attempts on Ray for a worker."""

    def __init__(self, ray: Any, slots: int, worker: asyncio.WriteTransport) -> None:
        self._ray = ray
        self._worker = worker
        self._token = token_hex(16)
        self._relay: Any = ray.remote(relay)
        self._watcher: Any = ray.remote(Watcher)
        self._tasks: dict[str, RayTask] = {}
        self._running: set[asyncio.Task[None]] = set()
        self.cluster = Cluster(ray, self._new_watcher, slots, self._tell_room)

    def obey(self, command: Mapping[str, Any]) -> None:
        """Do what the worker says."""
        match command["do"]:
            case "renew":
                self.cluster.renew(command["until"])
            case "submit":
                self._submit(command["order"])
            case _:
                task = self._tasks.get(command["id"])
                if task is not None:
                    task.obey(command)

    def say(self, lines: bytes) -> None:
        """Tell the worker something."""
        self._worker.write(lines)

    async def end_all(self) -> None:
        """End what runs, and wait for that."""
        for attempt_id, task in self._tasks.items():
            task.obey({"do": "stop", "id": attempt_id})
        if self._running:
            await asyncio.wait(self._running)

    def _submit(self, order: Mapping[str, Any]) -> None:
        attempt_id: str = order["id"]
        start = partial(self._start, order)
        task = RayTask(self.cluster, self._ray, attempt_id, start, self.say)
        self._tasks[attempt_id] = task
        running = start_once(f"attempt {attempt_id}", self._run(attempt_id, task))
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    async def _run(self, attempt_id: str, task: RayTask) -> None:
        try:
            await task.run()
        except Exception as error:
            # It may have begun all the same.
            await self.cluster.end(attempt_id, None)
            told = {"message": f"Ray does not take the attempt: {in_short(error)}"}
            ended = {"kind": "lost", "message": told, "metrics": {}}
            line = line_of({"end": ended, "id": attempt_id})
            self.say(line)
            raise
        finally:
            del self._tasks[attempt_id]

    def _start(self, order: Mapping[str, Any]) -> Any:
        options = options_of(order["task"])
        relaying = self._relay.options(**options)
        return relaying.remote(self._token, json.dumps(order))

    def _new_watcher(self, node_id: str, size: int) -> Any:
        strategies = import_module("ray.util.scheduling_strategies")
        there = strategies.NodeAffinitySchedulingStrategy(node_id, soft=False)
        options = {"num_cpus": 0, "max_restarts": 0, "scheduling_strategy": there}
        watching = self._watcher.options(**options)
        return watching.remote(self._token, size)

    def _tell_room(self, free: int) -> None:
        waiting = [task for task in self._tasks.values() if not task.has_begun]
        room = max(free - len(waiting), 0)
        line = line_of({"room": room})
        self.say(line)


def _connected(address: str, runtime_env: Mapping[str, Any]) -> Any:
    """Return the module, connected to the cluster."""
    ray: Any = import_module("ray")
    ray.init(
        address=address,
        runtime_env={**runtime_env} or None,
        log_to_driver=False,
        logging_level="warning",
        **_only_here(address),
    )
    return ray


def _only_here(address: str) -> dict[str, Any]:
    if address != LOCAL:
        return {}
    return {"include_dashboard": False}


async def _drive(told: Mapping[str, Any], output: int) -> None:
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(output, "wb", buffering=0)
    worker, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, pipe)
    commands = await reading(sys.stdin.fileno())
    try:
        # Without a thread: Ray wants to be connected by the main one, and nobody else waits yet.
        ray = _connected(told["address"], told["runtimeEnv"])
    except Exception as error:  # noqa: BLE001 - whatever it is, the worker tells the operator
        worker.write(line_of({"failed": in_short(error)}))
        worker.close()
        return
    # Ray has made this one the end of the process; but the worker is told, too, and knows better.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    driver = Driver(ray, told["slots"], worker)
    keeping = start_once("nodes", driver.cluster.keep_up())
    with suppress(TimeoutError):
        await asyncio.wait_for(driver.cluster.any_node.wait(), FIRST_NODE_S)
    driver.say(line_of({"ready": True}))
    while line := await commands.readline():
        driver.obey(json.loads(line))
    await driver.end_all()
    await end(keeping)
    signal.alarm(SHUTDOWN_S)
    ray.shutdown()


def main() -> None:
    """Drive until the worker is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Of a terminal: for the worker.
    output = os.dup(1)
    os.dup2(2, 1)  # Whatever Ray prints must not stand among the lines for the worker.
    logging.basicConfig(level=logging.WARNING, format="ray: %(message)s")
    told = json.loads(sys.argv[1])
    asyncio.run(_drive(told, output))
