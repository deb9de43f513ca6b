"""The driver: a child of the worker that speaks to Ray, and knows nothing of the service.

First the nodes of the cluster (`Cluster`), each with a watcher that knows the lease; then attempts,
each a task of Ray that passes on what its host says (`RayTask`); then the program (`Driver`), which
connects to Ray and runs there what the worker orders.

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
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from importlib import import_module
from secrets import token_hex
from time import monotonic
from typing import Any, Literal

from runtime.tasks import end, start_once
from worker.executors.ray.node import NodeActor, relay
from worker.executors.ray.wire import END, line_of, reading

logger = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often to look for nodes and for room."""

ANSWER_S = 10.0
"""How long a node's watcher may take to answer before it is asked again."""

ROUNDING = 1e-6
"""What fractions of processors may lack that were given back."""

LONGEST_TEXT = 500


class Node:
    """A node with a watcher.

    Attributes:
        id: Ray's.
        lost: set once nobody answers there; what runs there ends with its lease.
    """

    def __init__(self, node_id: str, watcher: Any, now: float, errors: Any) -> None:
        """Take a watcher that has just said what its clock shows."""
        self.id = node_id
        self.lost = asyncio.Event()
        self._watcher = watcher
        self._errors = errors
        # Seen from here its clock showed this earlier, so a moment in its time is never too late.
        self._ahead_s = now - monotonic()
        self._told_until = 0.0

    async def renew(self, until: float, session: int) -> None:
        """Let what this session runs there go on until a moment of this host's monotonic clock."""
        if self.lost.is_set():
            return
        self._told_until = until
        try:
            until_there = until + self._ahead_s
            now: float = await self._watcher.renew.remote(until_there, session)
        except self._errors as error:
            self.lose(error)
        else:
            self._ahead_s = now - monotonic()

    async def tell(self, command: Mapping[str, Any]) -> None:
        """Say what is to become of an attempt."""
        try:
            await self._watcher.tell.remote(command)
        except self._errors as error:
            self.lose(error)

    async def end(self, attempt_id: str) -> None:
        """Return once nothing of an attempt runs there any more: at the latest with its lease."""
        asked_until = monotonic() + ANSWER_S
        while not self.lost.is_set():
            if monotonic() > max(asked_until, self._told_until):
                # A cluster that is gone need not say so, and answers nothing, for ever.
                return
            try:
                ending = self._watcher.end.remote(attempt_id)
                if await asyncio.wait_for(ending, ANSWER_S):
                    return
            except TimeoutError:
                continue
            except self._errors as error:
                self.lose(error)
        left_s = self._told_until - monotonic()
        await asyncio.sleep(max(left_s, 0.0))

    def lose(self, why: object) -> None:
        """Count it as lost: it is told nothing any more."""
        if not self.lost.is_set():
            logger.warning("the Ray node %s is lost: %s", self.id, in_short(why))
            self.lost.set()


class Cluster:
    """All nodes that live, and how much room there is."""

    def __init__(
        self,
        ray: Any,
        new_watcher: Callable[[str, int], Any],
        slots: int,
        room_told: Callable[[int], None],
    ) -> None:
        """Know no node yet.

        Args:
            ray: the module, connected.
            new_watcher: starts a watcher on a node, given its id and how many processes to keep
                warm there.
            slots: how many attempts the worker runs at a time.
            room_told: hears how many more attempts there is room for, again and again.
        """
        self._ray = ray
        self._errors = ray.exceptions.RayError
        self._new_watcher = new_watcher
        self._slots = slots
        self._room_told = room_told
        self._nodes: dict[str, Node] = {}
        self._starting: set[str] = set()
        self._until = 0.0
        self._session = 0
        self.any_node = asyncio.Event()

    def renew(self, until: float, session: int) -> None:
        """Let all that this session runs go on until a moment of this host's monotonic clock."""
        self._until = until
        self._session = session
        for node in self._nodes.values():
            start_once("renewal", node.renew(until, session))

    def node(self, node_id: str) -> Node | None:
        """Return a node that has, or had, a watcher."""
        return self._nodes.get(node_id)

    async def end(self, attempt_id: str, node: Node | None) -> None:
        """Return once nothing of an attempt runs any more, there or, unknown where, anywhere."""
        nodes = list(self._nodes.values())
        if node is not None:
            nodes = [node]
        await asyncio.gather(*(one.end(attempt_id) for one in nodes))

    async def keep_up(self) -> None:
        """For ever, see which nodes come and go, and how much room there is."""
        while True:
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 - whatever it says, it may come back
                logger.warning("the cluster does not answer: %s", in_short(error))
                self._room_told(0)
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        # These wait for the cluster, and nothing else may wait for them.
        nodes = await asyncio.to_thread(self._ray.nodes)
        alive = {node["NodeID"]: node for node in nodes if node["Alive"]}
        self._note(alive)
        free = await asyncio.to_thread(self._ray.available_resources)
        processors = free.get("CPU", 0) + ROUNDING
        self._room_told(int(processors))

    def _note(self, living: Mapping[str, Mapping[str, Any]]) -> None:
        for node_id, node in self._nodes.items():
            if node_id not in living:
                node.lose("it does not live any more")
        for node_id, told in living.items():
            if not told["Resources"].get("CPU"):
                continue  # No attempt can go there.
            is_watched = node_id in self._nodes and not self._nodes[node_id].lost.is_set()
            if not is_watched and node_id not in self._starting:
                self._starting.add(node_id)
                start_once("watcher", self._watch(node_id, told))

    async def _watch(self, node_id: str, told: Mapping[str, Any]) -> None:
        cpus = int(told["Resources"]["CPU"])
        size = min(max(cpus, 1), self._slots)
        try:
            watcher = self._new_watcher(node_id, size)
            now: float = await watcher.now.remote()
            node = Node(node_id, watcher, now, self._errors)
            self._nodes[node_id] = node
            if self._until:
                await node.renew(self._until, self._session)
        except self._errors as error:
            logger.warning("the Ray node %s can run no attempts: %s", node_id, in_short(error))
            await asyncio.sleep(ANSWER_S)
        else:
            self.any_node.set()
        finally:
            self._starting.discard(node_id)


def in_short(error: object) -> str:
    """Return in a line what may be long."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines if line]
    if not told:
        return type(error).__name__
    line = told[0]
    if "ray::" in line:
        line = told[-1]  # Of a traceback, that tells what was raised.
    return line[:LONGEST_TEXT]


WAITING_S = 10.0
"""How long an attempt may wait for room on the cluster before its run is handed back."""

WITHDRAWN_S = 30.0
"""How long Ray may take to tell that it has let go of what was withdrawn."""

BYTES_PER_MB = 1_048_576

RESOURCE_PREFIX = "ray-"
"""How the labels begin by which a job asks for custom resources."""

Asked = Literal["canceled", "stopped"]


class RayTask:
    """An attempt, from the worker's order to its end."""

    def __init__(
        self,
        cluster: Cluster,
        ray: Any,
        attempt_id: str,
        start: Callable[[], Any],
        say: Callable[[bytes], None],
    ) -> None:
        """Begin with nothing started.

        Args:
            cluster: where it runs.
            ray: the module.
            attempt_id: known to nobody else.
            start: starts the task, and returns what it yields.
            say: passes lines on to the worker.
        """
        self._cluster = cluster
        self._ray = ray
        self._id = attempt_id
        self._start = start
        self._say = say
        self._yielded: Any = None
        self._node: Node | None = None
        self._began = asyncio.Event()
        self._has_ended = False
        self._asked: Asked | None = None
        self._early: list[Mapping[str, Any]] = []
        self._is_withdrawn = False

    @property
    def has_begun(self) -> bool:
        """Return whether it is known to run somewhere."""
        return self._began.is_set()

    async def run(self) -> None:
        """Run it to its end, and tell that."""
        if self._asked is not None:
            self._tell_end(str(self._asked), "asked to end before it began")
            return
        self._yielded = self._start()
        # Its result is awaited below, and in any case its end.
        hearing = asyncio.create_task(self._hear())
        hearing.add_done_callback(lambda _: self._began.set())
        try:
            await asyncio.wait_for(self._began.wait(), WAITING_S)
        except TimeoutError:
            self._withdraw()
        if self._node is None:
            await asyncio.wait([hearing], timeout=WITHDRAWN_S)
        else:
            # Ended two lines below.
            losing = asyncio.create_task(self._node.lost.wait())
            await asyncio.wait([hearing, losing], return_when=asyncio.FIRST_COMPLETED)
            await end(losing)
        if not self._has_ended:
            why = hearing.result() if hearing.done() else "Ray does not answer"
            await self._end_for_certain(why)
        await end(hearing)

    def obey(self, command: Mapping[str, Any]) -> None:
        """Do what the worker says."""
        kind = command["do"]
        if kind in ("cancel", "stop"):
            self._asked = "canceled" if kind == "cancel" else "stopped"
        if self._node is not None:
            start_once(kind, self._node.tell(command))
        elif kind == "deadline":
            self._early.append(command)
        else:
            self._withdraw()

    def _withdraw(self) -> None:
        """End it before it has begun, as far as is known."""
        self._is_withdrawn = True
        if self._yielded is not None:
            self._ray.cancel(self._yielded, force=True)

    async def _hear(self) -> str:
        """Pass on what comes; return why no more does."""
        try:
            async for coming in self._yielded:
                self._heard(await coming)
        except self._ray.exceptions.RayError as error:
            return in_short(getattr(error, "cause", None) or error)
        return "the host on its node has ended"

    def _heard(self, said: str | bytes) -> None:
        if isinstance(said, str):
            self._begin_on(said)
            return
        lines = said.splitlines()
        if any(line.startswith(END) for line in lines):
            self._has_ended = True
        self._say(said)

    def _begin_on(self, node_id: str) -> None:
        self._node = self._cluster.node(node_id)
        self._began.set()
        self._say(line_of({"began": node_id, "id": self._id}))
        if self._node is not None:
            for command in self._early:
                start_once("order", self._node.tell(command))

    async def _end_for_certain(self, why: str) -> None:
        """Tell the end of what has not told its own, once nothing of it is left."""
        await self._cluster.end(self._id, self._node)
        if self._asked is not None:
            self._tell_end(str(self._asked), f"asked to end: {why}")
        elif self._node is not None and not self._is_withdrawn:
            self._tell_end("lost", f"the attempt was lost with its place on Ray: {why}")
        else:
            message = f"the attempt found no place on Ray: {why}"
            logger.warning("a run is handed back: %s", message)
            self._tell_end("stopped", message)

    def _tell_end(self, kind: str, message: str) -> None:
        ended = {"kind": kind, "message": {"message": message}, "metrics": {}}
        self._say(line_of({"end": ended, "id": self._id}))


def options_of(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a task asks of the cluster, by its job's `resources` and `workerLabels`.

    Raises:
        ValueError: a label asks for an amount that is no number.
    """
    wanted = task["definition"].get("resources") or {}
    options: dict[str, Any] = {
        "num_cpus": wanted.get("cpus") or 1,
        "num_gpus": wanted.get("gpus") or 0,
        # Ray must run nothing a second time by itself: that is decided by the job's retries.
        "max_retries": 0,
        "num_returns": "streaming",
    }
    if task["memory_mb"] is not None:
        options["memory"] = task["memory_mb"] * BYTES_PER_MB
    custom = {
        name.removeprefix(RESOURCE_PREFIX): float(amount)
        for name, amount in task["worker_labels"].items()
        if name.startswith(RESOURCE_PREFIX)
    }
    if custom:
        options["resources"] = custom
    return options


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
        self._watcher: Any = ray.remote(NodeActor)
        self._tasks: dict[str, RayTask] = {}
        self._running: set[asyncio.Task[None]] = set()
        self.cluster = Cluster(ray, self._new_watcher, slots, self._tell_room)

    def obey(self, command: Mapping[str, Any]) -> None:
        """Do what the worker says."""
        match command["do"]:
            case "renew":
                self.cluster.renew(command["until"], command["session"])
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
