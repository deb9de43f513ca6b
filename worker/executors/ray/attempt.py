"""An attempt on the cluster, as its worker sees it."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from worker.executors.port import Kind, OnUpdate, Outcome, Task
from worker.executors.ray.wire import unpacked
from worker.executors.shared.attempt_logs import AttemptLog


class RayAttempt:
    """An attempt somewhere on the cluster.

    Attributes:
        id: known to nobody else.
        node_id: where it runs, once it does.
    """

    def __init__(
        self,
        attempt_id: str,
        task: Task,
        on_update: OnUpdate,
        log: AttemptLog,
        tell: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self.id = attempt_id
        self.node_id: str | None = None
        self._task = task
        self._on_update = on_update
        self._log = log
        self._tell = tell
        self._is_stopped = False
        self._has_ended = False
        loop = asyncio.get_running_loop()
        self._over: asyncio.Future[Outcome] = loop.create_future()

    async def outcome(self) -> Outcome:
        """Wait for the end."""
        return await self._over

    def cancel(self, grace_s: float) -> None:
        """Ask it to stop; its supervisor kills it after the grace time."""
        self._tell({"do": "cancel", "id": self.id, "graceS": grace_s})

    def stop(self) -> None:
        """Have it killed because the worker stops."""
        self._is_stopped = True
        self._tell({"do": "stop", "id": self.id})

    def end_if_overdue(self, now: datetime) -> None:
        """End it as at its deadline, if that is over by a clock that has been moved."""
        deadline = self._task.deadline
        if deadline is not None and datetime.fromisoformat(deadline) <= now:
            self._tell({"do": "deadline", "id": self.id})

    def heard(self, message: Mapping[str, Any]) -> bool:
        """Take what was said of it; return whether that was all."""
        if "log" in message:
            self._log.add(unpacked(message["log"]))
        elif "update" in message:
            self._on_update(message["update"])
        elif "began" in message:
            self.node_id = message["began"]
        elif "end" in message:
            ended = message["end"]
            self.end(ended["kind"], ended["message"], ended["metrics"])
        return self._has_ended

    def lose(self, why: str) -> None:
        """Let it be over, for nobody can say any more how it ended."""
        kind: Kind = "stopped" if self._is_stopped else "lost"
        self.end(kind, {"message": why}, {})

    def end(
        self, kind: Kind, message: Mapping[str, Any], metrics: Mapping[str, Any]
    ) -> None:
        """Let it be over, once its log is whole."""
        if self._has_ended:
            return
        self._has_ended = True
        outcome = Outcome(kind, message, metrics)
        self._log.when_whole(lambda: self._be_over(outcome))

    def _be_over(self, outcome: Outcome) -> None:
        if not self._over.done():
            self._over.set_result(outcome)
