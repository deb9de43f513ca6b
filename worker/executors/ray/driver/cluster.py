"""The nodes of the cluster, as the driver knows them: each has a watcher that knows the lease."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

from runtime.background_tasks import start_once

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

    async def renew(self, until: float) -> None:
        """Let what runs there go on until this moment of this host's monotonic clock."""
        if self.lost.is_set():
            return
        self._told_until = until
        try:
            until_there = until + self._ahead_s
            now: float = await self._watcher.renew.remote(until_there)
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
        self.any_node = asyncio.Event()

    def renew(self, until: float) -> None:
        """Let all that runs go on until this moment of this host's monotonic clock."""
        self._until = until
        for node in self._nodes.values():
            start_once("renewal", node.renew(until))

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
            is_watched = (
                node_id in self._nodes and not self._nodes[node_id].lost.is_set()
            )
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
                await node.renew(self._until)
        except self._errors as error:
            logger.warning(
                "the Ray node %s can run no attempts: %s", node_id, in_short(error)
            )
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
