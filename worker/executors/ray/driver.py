"""The driver: a child of the worker that uses Ray, without any secret of the service.

First the nodes of the cluster (`Cluster`), each with an actor that knows the lease; then attempts,
each a task of Ray that relays its host's messages (`RayTask`); then the program (`Driver`), which
connects to Ray and runs the worker's orders there.

Arguments: JSON with `address`, `runtimeEnv` and `slots`. Standard input: lines from the worker, and
its end is the worker's end. Standard output: first whether the cluster answers, then `capacity`
again and again, and for each attempt the node where it began, then its host's messages, its `end`
last.
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
from worker.executors.ray.wire import END, line_of, open_reader

logger = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often to read the cluster's nodes and its capacity."""

ANSWER_S = 10.0
"""How long a node's actor may take to answer before the request is repeated."""

ROUNDING = 1e-6
"""How much may be missing of a processor whose fractions were all returned."""

MAX_LINE = 500


class Node:
    """A node with an actor.

    Attributes:
        id: Ray's.
        lost: set once it does not answer any more; its attempts end with their lease.
    """

    def __init__(self, node_id: str, actor: Any, now: float, errors: Any) -> None:
        """Take an actor that has just returned the time of its clock, `now`."""
        self.id = node_id
        self.lost = asyncio.Event()
        self._actor = actor
        self._errors = errors
        # Its clock was read before this one, so a time converted to its clock is never too late.
        self._ahead_s = now - monotonic()
        self._lease_until = 0.0

    async def renew(self, until: float, session: int) -> None:
        """Extend the lease of this session's attempts to a time of this host's monotonic clock."""
        if self.lost.is_set():
            return
        self._lease_until = until
        try:
            now: float = await self._actor.renew.remote(until + self._ahead_s, session)
        except self._errors as error:
            self.lose(error)
        else:
            self._ahead_s = now - monotonic()

    async def send(self, command: Mapping[str, Any]) -> None:
        """Send a command to an attempt."""
        try:
            await self._actor.send.remote(command)
        except self._errors as error:
            self.lose(error)

    async def end(self, attempt_id: str) -> None:
        """End an attempt; return when nothing of it is left: at the latest with its lease."""
        answer_until = monotonic() + ANSWER_S
        while not self.lost.is_set():
            if monotonic() > max(answer_until, self._lease_until):
                # A cluster that is gone may never answer.
                return
            try:
                ending = self._actor.end.remote(attempt_id)
                if await asyncio.wait_for(ending, ANSWER_S):
                    return
            except TimeoutError:
                continue
            except self._errors as error:
                self.lose(error)
        await asyncio.sleep(max(self._lease_until - monotonic(), 0.0))

    def lose(self, reason: object) -> None:
        """Count it as lost: it gets no more messages."""
        if not self.lost.is_set():
            logger.warning("the Ray node %s is lost: %s", self.id, one_line(reason))
            self.lost.set()


class Cluster:
    """The living nodes, and their free capacity."""

    def __init__(
        self,
        ray: Any,
        new_actor: Callable[[str, int], Any],
        slots: int,
        on_capacity: Callable[[int], None],
    ) -> None:
        """Begin without nodes.

        Args:
            ray: the module, connected.
            new_actor: starts an actor on a node of this id, with this many warm processes.
            slots: how many attempts the worker runs at a time.
            on_capacity: called again and again with the number of attempts that can be added.
        """
        self._ray = ray
        self._errors = ray.exceptions.RayError
        self._new_actor = new_actor
        self._slots = slots
        self._on_capacity = on_capacity
        self._nodes: dict[str, Node] = {}
        self._starting: set[str] = set()
        self._until = 0.0
        self._session = 0
        self.any_node = asyncio.Event()

    def renew(self, until: float, session: int) -> None:
        """Extend the lease of this session's attempts to a time of this host's monotonic clock."""
        self._until = until
        self._session = session
        for node in self._nodes.values():
            start_once("renewal", node.renew(until, session))

    def node(self, node_id: str) -> Node | None:
        """Return a node that has, or had, an actor."""
        return self._nodes.get(node_id)

    async def end(self, attempt_id: str, node: Node | None) -> None:
        """End an attempt on its node, or on all if that is None; return when it is over."""
        nodes = list(self._nodes.values()) if node is None else [node]
        await asyncio.gather(*(node.end(attempt_id) for node in nodes))

    async def keep_up(self) -> None:
        """Read the cluster's nodes and its capacity, again and again."""
        while True:
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 - whatever the error, it may answer again
                logger.warning("the cluster does not answer: %s", one_line(error))
                self._on_capacity(0)
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        # In threads, since these calls block until the cluster answers.
        nodes = await asyncio.to_thread(self._ray.nodes)
        alive = {node["NodeID"]: node for node in nodes if node["Alive"]}
        self._update_nodes(alive)
        free = await asyncio.to_thread(self._ray.available_resources)
        self._on_capacity(int(free.get("CPU", 0) + ROUNDING))

    def _update_nodes(self, living: Mapping[str, Mapping[str, Any]]) -> None:
        for node_id, node in self._nodes.items():
            if node_id not in living:
                node.lose("it does not live any more")
        for node_id, description in living.items():
            if not description["Resources"].get("CPU"):
                continue  # No attempt can go there.
            has_actor = node_id in self._nodes and not self._nodes[node_id].lost.is_set()
            if not has_actor and node_id not in self._starting:
                self._starting.add(node_id)
                start_once("actor", self._start_actor(node_id, description))

    async def _start_actor(self, node_id: str, description: Mapping[str, Any]) -> None:
        cpus = int(description["Resources"]["CPU"])
        size = min(max(cpus, 1), self._slots)
        try:
            actor = self._new_actor(node_id, size)
            now: float = await actor.now.remote()
            node = Node(node_id, actor, now, self._errors)
            self._nodes[node_id] = node
            if self._until:
                await node.renew(self._until, self._session)
        except self._errors as error:
            logger.warning("the Ray node %s can run no attempts: %s", node_id, one_line(error))
            await asyncio.sleep(ANSWER_S)
        else:
            self.any_node.set()
        finally:
            self._starting.discard(node_id)


def one_line(error: object) -> str:
    """Return the line of an error that says most."""
    lines = [line for line in map(str.strip, str(error).splitlines()) if line]
    if not lines:
        return type(error).__name__
    is_traceback = "ray::" in lines[0]
    return lines[-1 if is_traceback else 0][:MAX_LINE]


START_S = 10.0
"""How long an attempt may wait for capacity before its run is handed back."""

WITHDRAWAL_S = 30.0
"""How long Ray may take to confirm the withdrawal of a task."""

BYTES_PER_MB = 1_048_576

RESOURCE_PREFIX = "ray-"
"""The prefix of labels by which a job requests custom resources."""

EndRequest = Literal["canceled", "stopped"]


class RayTask:
    """An attempt, from the worker's order to its end."""

    def __init__(
        self,
        cluster: Cluster,
        ray: Any,
        attempt_id: str,
        start: Callable[[], Any],
        send: Callable[[bytes], None],
    ) -> None:
        """Begin with nothing started.

        Args:
            cluster: where it runs.
            ray: the module.
            attempt_id: as in the worker's order.
            start: starts the task, and returns its stream of messages.
            send: sends lines to the worker.
        """
        self._cluster = cluster
        self._ray = ray
        self._id = attempt_id
        self._start = start
        self._send = send
        self._messages: Any = None
        self._node: Node | None = None
        self._began = asyncio.Event()
        self._has_ended = False
        self._end_request: EndRequest | None = None
        self._early_commands: list[Mapping[str, Any]] = []
        self._is_withdrawn = False

    @property
    def has_begun(self) -> bool:
        """Whether it runs on a node, or is over."""
        return self._began.is_set()

    async def run(self) -> None:
        """Run it to its end, and report that."""
        if self._end_request is not None:
            self._report_end(str(self._end_request), "asked to end before it began")
            return
        self._messages = self._start()
        # Its result is awaited below, and in any case its end.
        relaying = asyncio.create_task(self._relay())
        relaying.add_done_callback(lambda _: self._began.set())
        try:
            await asyncio.wait_for(self._began.wait(), START_S)
        except TimeoutError:
            self._withdraw()
        if self._node is None:
            await asyncio.wait([relaying], timeout=WITHDRAWAL_S)
        else:
            # Ended two lines below.
            losing = asyncio.create_task(self._node.lost.wait())
            await asyncio.wait([relaying, losing], return_when=asyncio.FIRST_COMPLETED)
            await end(losing)
        if not self._has_ended:
            reason = relaying.result() if relaying.done() else "Ray does not answer"
            await self._end_everywhere(reason)
        await end(relaying)

    def execute(self, command: Mapping[str, Any]) -> None:
        """Execute a command of the worker."""
        kind = command["do"]
        if kind in ("cancel", "stop"):
            self._end_request = "canceled" if kind == "cancel" else "stopped"
        if self._node is not None:
            start_once(kind, self._node.send(command))
        elif kind == "deadline":
            self._early_commands.append(command)
        else:
            self._withdraw()

    def _withdraw(self) -> None:
        """Withdraw it before it has begun, as far as can be seen here."""
        self._is_withdrawn = True
        if self._messages is not None:
            self._ray.cancel(self._messages, force=True)

    async def _relay(self) -> str:
        """Relay its messages; return why there are no more."""
        try:
            async for message in self._messages:
                self._relay_lines(await message)
        except self._ray.exceptions.RayError as error:
            return one_line(getattr(error, "cause", None) or error)
        return "the host on its node has ended"

    def _relay_lines(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self._begin_on(message)
            return
        if any(line.startswith(END) for line in message.splitlines()):
            self._has_ended = True
        self._send(message)

    def _begin_on(self, node_id: str) -> None:
        self._node = self._cluster.node(node_id)
        self._began.set()
        self._send(line_of({"began": node_id, "id": self._id}))
        if self._node is not None:
            for command in self._early_commands:
                start_once("order", self._node.send(command))

    async def _end_everywhere(self, reason: str) -> None:
        """End an attempt that sent no end, and report its end once nothing of it is left."""
        await self._cluster.end(self._id, self._node)
        if self._end_request is not None:
            self._report_end(str(self._end_request), f"asked to end: {reason}")
        elif self._node is not None and not self._is_withdrawn:
            self._report_end("lost", f"the attempt was lost with its place on Ray: {reason}")
        else:
            message = f"the attempt found no place on Ray: {reason}"
            logger.warning("a run is handed back: %s", message)
            self._report_end("stopped", message)

    def _report_end(self, kind: str, message: str) -> None:
        self._send(line_of({"end": end_of(kind, message), "id": self._id}))


def end_of(kind: str, message: str) -> dict[str, Any]:
    """Return the end of an attempt as a host would report it."""
    return {"kind": kind, "message": {"message": message}, "metrics": {}}


def options_of(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task's options for Ray, by its job's `resources` and `workerLabels`.

    Raises:
        ValueError: the amount in a label is no number.
    """
    resources = task["definition"].get("resources") or {}
    options: dict[str, Any] = {
        "num_cpus": resources.get("cpus") or 1,
        "num_gpus": resources.get("gpus") or 0,
        # Ray must not retry by itself: that is decided by the job's retry policy.
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
"""How long Ray may take to disconnect. It may wait for ever for a cluster that is gone, and the
worker, which would end this process, may be gone, too."""

FIRST_NODE_S = 60.0
"""How long to wait for a node before the driver is ready; then attempts wait for one."""


class Driver:
    """Runs attempts on Ray for a worker."""

    def __init__(self, ray: Any, slots: int, worker: asyncio.WriteTransport) -> None:
        self._ray = ray
        self._worker = worker
        self._token = token_hex(16)
        self._relay: Any = ray.remote(relay)
        self._actor_class: Any = ray.remote(NodeActor)
        self._tasks: dict[str, RayTask] = {}
        self._running: set[asyncio.Task[None]] = set()
        self.cluster = Cluster(ray, self._new_actor, slots, self._report_capacity)

    def execute(self, command: Mapping[str, Any]) -> None:
        """Execute a command of the worker."""
        match command["do"]:
            case "renew":
                self.cluster.renew(command["until"], command["session"])
            case "submit":
                self._submit(command["order"])
            case _:
                task = self._tasks.get(command["id"])
                if task is not None:
                    task.execute(command)

    def send(self, lines: bytes) -> None:
        """Send lines to the worker."""
        self._worker.write(lines)

    async def end_all(self) -> None:
        """Stop all attempts, and wait for their ends."""
        for attempt_id, task in self._tasks.items():
            task.execute({"do": "stop", "id": attempt_id})
        if self._running:
            await asyncio.wait(self._running)

    def _submit(self, order: Mapping[str, Any]) -> None:
        attempt_id: str = order["id"]
        start = partial(self._start, order)
        task = RayTask(self.cluster, self._ray, attempt_id, start, self.send)
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
            message = f"Ray does not take the attempt: {one_line(error)}"
            self.send(line_of({"end": end_of("lost", message), "id": attempt_id}))
            raise
        finally:
            del self._tasks[attempt_id]

    def _start(self, order: Mapping[str, Any]) -> Any:
        task = self._relay.options(**options_of(order["task"]))
        return task.remote(self._token, json.dumps(order))

    def _new_actor(self, node_id: str, size: int) -> Any:
        strategies = import_module("ray.util.scheduling_strategies")
        on_node = strategies.NodeAffinitySchedulingStrategy(node_id, soft=False)
        options = {"num_cpus": 0, "max_restarts": 0, "scheduling_strategy": on_node}
        return self._actor_class.options(**options).remote(self._token, size)

    def _report_capacity(self, free: int) -> None:
        waiting = sum(not task.has_begun for task in self._tasks.values())
        self.send(line_of({"capacity": max(free - waiting, 0)}))


def _connected(address: str, runtime_env: Mapping[str, Any]) -> Any:
    """Return the module, connected to the cluster."""
    ray: Any = import_module("ray")
    ray.init(
        address=address,
        runtime_env={**runtime_env} or None,
        log_to_driver=False,
        logging_level="warning",
        **({"include_dashboard": False} if address == LOCAL else {}),
    )
    return ray


async def _drive(arguments: Mapping[str, Any], output: int) -> None:
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(output, "wb", buffering=0)
    worker, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, pipe)
    commands = await open_reader(sys.stdin.fileno())
    try:
        # Not in a thread: Ray must be connected by the main one, and no other task waits yet.
        ray = _connected(arguments["address"], arguments["runtimeEnv"])
    except Exception as error:  # noqa: BLE001 - whatever it is, the worker logs it
        worker.write(line_of({"failed": one_line(error)}))
        worker.close()
        return
    # Ray lets this signal end the process; but the worker gets it, too, and decides.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    driver = Driver(ray, arguments["slots"], worker)
    keeping = start_once("nodes", driver.cluster.keep_up())
    with suppress(TimeoutError):
        await asyncio.wait_for(driver.cluster.any_node.wait(), FIRST_NODE_S)
    driver.send(line_of({"ready": True}))
    while line := await commands.readline():
        driver.execute(json.loads(line))
    await driver.end_all()
    await end(keeping)
    signal.alarm(SHUTDOWN_S)
    ray.shutdown()


def main() -> None:
    """Execute the worker's commands until it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Of a terminal: for the worker.
    output = os.dup(1)
    os.dup2(2, 1)  # Ray's output must not mix with the lines for the worker.
    logging.basicConfig(level=logging.WARNING, format="ray: %(message)s")
    asyncio.run(_drive(json.loads(sys.argv[1]), output))
