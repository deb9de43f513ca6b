"""The program of a driver: a child of the worker that uses Ray and has no secret of the service.

First the nodes of the cluster (`Cluster`), each with an actor that knows the lease; then attempts,
each a Ray task that relays the messages of its node's host (`RayTask`); then the program
(`Driver`), which connects to Ray and executes the worker's commands.

Arguments: JSON with `address`, `runtimeEnv` and `slots`. Standard input: the worker's commands as
lines; it ends when the worker does. Standard output: first whether the cluster answers, then the
cluster's `capacity` again and again; and for each attempt, the node on which it began, the messages
of the node's host, and its `end` last.
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

from runtime.tasks import end_tasks, start_once
from worker.executors.ray.node import NodeActor, relay
from worker.executors.ray.wire import END_PREFIX, encode_line, open_reader

logger = logging.getLogger(__name__)

REFRESH_EVERY_S = 1.0
"""How often to read the cluster's nodes and its capacity."""

ANSWER_S = 10.0
"""How long a node's actor may take to answer before the request is repeated."""

ROUNDING_ERROR = 1e-6
"""The sum of the returned fractions of a processor may be less than 1 by this much."""

MAX_ERROR_CHARACTERS = 500


class Node:
    """A node with an actor.

    Attributes:
        id: Ray's id of the node.
        lost: set once the node does not answer any more; its attempts end with their lease.
    """

    def __init__(self, node_id: str, actor: Any, now: float, errors: Any) -> None:
        """Use an actor on a node.

        Args:
            node_id: Ray's id of the node.
            actor: the actor.
            now: the time of the node's monotonic clock, which the actor has just returned.
            errors: the base of Ray's errors.
        """
        self.id = node_id
        self.lost = asyncio.Event()
        self._actor = actor
        self._errors = errors
        # The node's clock was read before this one, so this is too small rather than too large: a
        # time that is converted to the node's clock is never too late.
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
        """End an attempt; return once nothing of it is left, or its lease is over."""
        answer_until = monotonic() + ANSWER_S
        while not self.lost.is_set():
            if monotonic() > max(answer_until, self._lease_until):
                # A cluster that is gone may never answer.
                return
            try:
                if await asyncio.wait_for(self._actor.end.remote(attempt_id), ANSWER_S):
                    return
            except TimeoutError:
                continue
            except self._errors as error:
                self.lose(error)
        await asyncio.sleep(max(self._lease_until - monotonic(), 0.0))

    def lose(self, reason: object) -> None:
        """Mark the node as lost, so that it gets no more messages."""
        if not self.lost.is_set():
            logger.warning("the Ray node %s is lost: %s", self.id, summarize_error(reason))
            self.lost.set()


class Cluster:
    """The living nodes of the cluster, and its free capacity.

    Attributes:
        has_node: set once a node can run attempts.
    """

    def __init__(
        self,
        ray: Any,
        new_actor: Callable[[str, int], Any],
        slots: int,
        on_capacity: Callable[[int], None],
    ) -> None:
        """Create a cluster without nodes; `watch` adds them.

        Args:
            ray: the module, connected to the cluster.
            new_actor: starts an actor on the node with this id, with this many warm processes.
            slots: how many attempts the worker runs at a time.
            on_capacity: called again and again with the number of further attempts that can run.
        """
        self._ray = ray
        self._errors = ray.exceptions.RayError
        self._new_actor = new_actor
        self._slots = slots
        self._on_capacity = on_capacity
        self._nodes: dict[str, Node] = {}
        self._starting: set[str] = set()
        self._lease_until = 0.0
        self._session = 0
        self.has_node = asyncio.Event()

    def renew(self, until: float, session: int) -> None:
        """Extend the lease of this session's attempts to a time of this host's monotonic clock."""
        self._lease_until = until
        self._session = session
        for node in self._nodes.values():
            start_once("renewal", node.renew(until, session))

    def node(self, node_id: str) -> Node | None:
        """Return a node that has, or had, an actor; None if there is none with this id."""
        return self._nodes.get(node_id)

    async def end(self, attempt_id: str, node: Node | None) -> None:
        """End an attempt on its node, or on all nodes if that is None; return when it is over."""
        nodes = list(self._nodes.values()) if node is None else [node]
        await asyncio.gather(*(node.end(attempt_id) for node in nodes))

    async def watch(self) -> None:
        """Read the cluster's nodes and its capacity, again and again."""
        while True:
            try:
                await self._refresh()
            except Exception as error:  # noqa: BLE001 - whatever the error, it may answer again
                logger.warning("the cluster does not answer: %s", summarize_error(error))
                self._on_capacity(0)
            await asyncio.sleep(REFRESH_EVERY_S)

    async def _refresh(self) -> None:
        # In threads, since these calls block until the cluster answers.
        nodes = await asyncio.to_thread(self._ray.nodes)
        self._update_nodes({node["NodeID"]: node for node in nodes if node["Alive"]})
        free = await asyncio.to_thread(self._ray.available_resources)
        self._on_capacity(int(free.get("CPU", 0) + ROUNDING_ERROR))

    def _update_nodes(self, living: Mapping[str, Mapping[str, Any]]) -> None:
        for node_id, node in self._nodes.items():
            if node_id not in living:
                node.lose("it does not live any more")
        for node_id, description in living.items():
            if not description["Resources"].get("CPU"):
                continue  # It can run no attempts.
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
            if self._lease_until:
                await node.renew(self._lease_until, self._session)
        except self._errors as error:
            logger.warning(
                "the Ray node %s can run no attempts: %s", node_id, summarize_error(error)
            )
            await asyncio.sleep(ANSWER_S)
        else:
            self.has_node.set()
        finally:
            self._starting.discard(node_id)


def summarize_error(error: object) -> str:
    """Return the first line of an error; of a remote traceback, the last one."""
    lines = [line for line in map(str.strip, str(error).splitlines()) if line]
    if not lines:
        return type(error).__name__
    is_traceback = "ray::" in lines[0]
    return lines[-1 if is_traceback else 0][:MAX_ERROR_CHARACTERS]


START_TIMEOUT_S = 10.0
"""How long an attempt may wait for capacity before its run is handed back."""

WITHDRAWAL_TIMEOUT_S = 30.0
"""How long Ray may take to confirm the withdrawal of a task."""

BYTES_PER_MB = 1_048_576

RESOURCE_PREFIX = "ray-"
"""The prefix of labels by which a job requests custom resources."""

EndRequest = Literal["canceled", "stopped"]


class RayTask:
    """An attempt as a Ray task, from the worker's order to its end."""

    def __init__(
        self,
        cluster: Cluster,
        ray: Any,
        attempt_id: str,
        start: Callable[[], Any],
        send: Callable[[bytes], None],
    ) -> None:
        """Create a task; `run` starts it.

        Args:
            cluster: the cluster on which it runs.
            ray: the module.
            attempt_id: the id in the worker's order.
            start: starts the Ray task, and returns its stream of messages.
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
        """Run it to its end, and report the end."""
        if self._end_request is not None:
            self._report_end(str(self._end_request), "asked to end before it began")
            return
        self._messages = self._start()
        # Its result and its end are awaited below.
        relay_task = asyncio.create_task(self._relay_messages())
        relay_task.add_done_callback(lambda _: self._began.set())
        try:
            await asyncio.wait_for(self._began.wait(), START_TIMEOUT_S)
        except TimeoutError:
            self._withdraw()
        if self._node is None:
            await asyncio.wait([relay_task], timeout=WITHDRAWAL_TIMEOUT_S)
        else:
            # Ended two lines below.
            node_lost = asyncio.create_task(self._node.lost.wait())
            await asyncio.wait([relay_task, node_lost], return_when=asyncio.FIRST_COMPLETED)
            await end_tasks(node_lost)
        if not self._has_ended:
            reason = relay_task.result() if relay_task.done() else "Ray does not answer"
            await self._end_everywhere(reason)
        await end_tasks(relay_task)

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
        """Cancel the Ray task, which has not begun as far as is known here."""
        self._is_withdrawn = True
        if self._messages is not None:
            self._ray.cancel(self._messages, force=True)

    async def _relay_messages(self) -> str:
        """Relay the task's messages to the worker; return why there are no more."""
        try:
            async for message in self._messages:
                self._relay_lines(await message)
        except self._ray.exceptions.RayError as error:
            return summarize_error(getattr(error, "cause", None) or error)
        return "the host on its node has ended"

    def _relay_lines(self, message: str | bytes) -> None:
        if isinstance(message, str):  # The first message is the node's id.
            self._begin_on(message)
            return
        if any(line.startswith(END_PREFIX) for line in message.splitlines()):
            self._has_ended = True
        self._send(message)

    def _begin_on(self, node_id: str) -> None:
        self._node = self._cluster.node(node_id)
        self._began.set()
        self._send(encode_line({"began": node_id, "id": self._id}))
        if self._node is not None:
            for command in self._early_commands:
                start_once("order", self._node.send(command))

    async def _end_everywhere(self, reason: str) -> None:
        """End an attempt that reported no end; report it once nothing of the attempt is left."""
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
        self._send(encode_line({"end": build_end(kind, message), "id": self._id}))


def build_end(kind: str, message: str) -> dict[str, Any]:
    """Return the end of an attempt in the form in which a host reports it."""
    return {"kind": kind, "message": {"message": message}, "metrics": {}}


def build_ray_options(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task's options for Ray, from its job's `resources` and `workerLabels`.

    Raises:
        ValueError: the amount in a label is not a number.
    """
    resources = task["definition"].get("resources") or {}
    options: dict[str, Any] = {
        "num_cpus": resources.get("cpus") or 1,
        "num_gpus": resources.get("gpus") or 0,
        # Ray itself must not retry: the job's retry policy decides that.
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

SHUTDOWN_TIMEOUT_S = 20
"""How long Ray may take to disconnect before this process ends itself. Ray may wait for ever for a
cluster that is gone, and the worker, which would kill this process, may be gone as well."""

FIRST_NODE_TIMEOUT_S = 60.0
"""How long the driver waits for a node before it reports that it is ready."""


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
        run_task = start_once(f"attempt {attempt_id}", self._run(attempt_id, task))
        self._running.add(run_task)
        run_task.add_done_callback(self._running.discard)

    async def _run(self, attempt_id: str, task: RayTask) -> None:
        try:
            await task.run()
        except Exception as error:
            # It may have begun all the same.
            await self.cluster.end(attempt_id, None)
            message = f"Ray does not take the attempt: {summarize_error(error)}"
            self.send(encode_line({"end": build_end("lost", message), "id": attempt_id}))
            raise
        finally:
            del self._tasks[attempt_id]

    def _start(self, order: Mapping[str, Any]) -> Any:
        task = self._relay.options(**build_ray_options(order["task"]))
        return task.remote(self._token, json.dumps(order))

    def _new_actor(self, node_id: str, size: int) -> Any:
        strategies = import_module("ray.util.scheduling_strategies")
        on_node = strategies.NodeAffinitySchedulingStrategy(node_id, soft=False)
        options = {"num_cpus": 0, "max_restarts": 0, "scheduling_strategy": on_node}
        return self._actor_class.options(**options).remote(self._token, size)

    def _report_capacity(self, free: int) -> None:
        waiting = sum(not task.has_begun for task in self._tasks.values())
        self.send(encode_line({"capacity": max(free - waiting, 0)}))


def _connect(address: str, runtime_env: Mapping[str, Any]) -> Any:
    """Connect to the cluster; return Ray's module."""
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
        # This blocks the event loop: Ray must be connected by the main thread.
        ray = _connect(arguments["address"], arguments["runtimeEnv"])
    except Exception as error:  # noqa: BLE001 - whatever it is, the worker logs it
        worker.write(encode_line({"failed": summarize_error(error)}))
        worker.close()
        return
    # Ray would end the process on this signal. The worker gets the signal as well, and decides.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    driver = Driver(ray, arguments["slots"], worker)
    watch_task = start_once("nodes", driver.cluster.watch())
    with suppress(TimeoutError):
        await asyncio.wait_for(driver.cluster.has_node.wait(), FIRST_NODE_TIMEOUT_S)
    driver.send(encode_line({"ready": True}))
    while line := await commands.readline():
        driver.execute(json.loads(line))
    await driver.end_all()
    await end_tasks(watch_task)
    signal.alarm(SHUTDOWN_TIMEOUT_S)
    ray.shutdown()


def main() -> None:
    """Execute the worker's commands until it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # A terminal sends it for the worker.
    output = os.dup(1)
    os.dup2(2, 1)  # Ray's own output must not mix with the lines for the worker.
    logging.basicConfig(level=logging.WARNING, format="ray: %(message)s")
    asyncio.run(_drive(json.loads(sys.argv[1]), output))
