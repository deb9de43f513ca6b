"""Attempts as the driver sees them: a task of Ray each, which passes on what its host says."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Literal

from runtime.background_tasks import end, start_once
from worker.executors.ray.driver.cluster import Cluster, Node, in_short
from worker.executors.ray.wire import END, line_of

logger = logging.getLogger(__name__)

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
