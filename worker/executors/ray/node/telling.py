"""What a host tells of one attempt: gathered for a moment, for it goes through a network."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from worker.executors.port import Outcome
from worker.executors.ray.wire import line_of, packed

GATHER_S = 0.05

CHUNK_BYTES = 262_144

LOOK_S = 0.1
"""How often it is worth looking for what was printed."""

WAITING_BYTES = 1_048_576
"""What may wait for the network before reports are gathered for longer."""


class Telling:
    """Tells of one attempt. Reports that nobody has heard yet become one."""

    def __init__(self, attempt_id: str, listener: asyncio.StreamWriter) -> None:
        self._about = {"id": attempt_id}
        self._listener = listener
        self._update: dict[str, Any] | None = None
        self._soon: asyncio.TimerHandle | None = None

    def begins(self) -> None:
        """Tell that the host knows its lease, and so its driver, which knows where to find it."""
        self._write({"begins": True})

    def update(self, report: Mapping[str, Any]) -> None:
        """Tell of a report, soon."""
        self._update = _merged(self._update or {}, report)
        if self._soon is None:
            self._tell_soon()

    async def printed(self, content: bytes) -> None:
        """Tell what was printed, as fast as somebody listens."""
        self._write({"log": packed(content)})
        await self._drain()

    async def ended(self, outcome: Outcome) -> None:
        """Tell the end, after all else."""
        if self._soon is not None:
            self._soon.cancel()
        self._tell_update()
        # `end` comes first in its line, by which it is known.
        end = {"kind": outcome.kind, "message": outcome.message}
        self._write({"end": {**end, "metrics": outcome.metrics}})
        await self._drain()

    def _tell_soon(self) -> None:
        loop = asyncio.get_running_loop()
        self._soon = loop.call_later(GATHER_S, self._tell_update_if_heard)

    def _tell_update_if_heard(self) -> None:
        if self._listener.transport.get_write_buffer_size() > WAITING_BYTES:
            self._tell_soon()
            return
        self._soon = None
        self._tell_update()

    def _tell_update(self) -> None:
        if self._update is not None:
            self._write({"update": self._update})
            self._update = None

    def _write(self, what: Mapping[str, Any]) -> None:
        if not self._listener.is_closing():
            line = line_of({**what, **self._about})
            self._listener.write(line)

    async def _drain(self) -> None:
        # If nobody listens any more, the attempt is ended for that.
        with suppress(ConnectionError):
            await self._listener.drain()


def _merged(before: Mapping[str, Any], report: Mapping[str, Any]) -> dict[str, Any]:
    """Return both reports as one: what was said last counts."""
    both = {**before}
    for name, value in report.items():
        earlier = both.get(name)
        if isinstance(earlier, dict) and isinstance(value, dict):
            both[name] = {**earlier, **value}
        elif value is not None or name not in both:
            both[name] = value
    return both


async def follow(log: Path, telling: Telling, over: asyncio.Event) -> None:
    """Tell what is printed to a log, until the attempt is over and all is told."""
    position = 0
    while True:
        is_over = over.is_set()
        while chunk := _read(log, position):
            position += len(chunk)
            await telling.printed(chunk)
        if is_over:
            return
        try:
            await asyncio.wait_for(over.wait(), LOOK_S)
        except TimeoutError:
            continue


def _read(log: Path, position: int) -> bytes:
    try:
        with log.open("rb") as file:
            file.seek(position)
            return file.read(CHUNK_BYTES)
    except FileNotFoundError:
        return b""  # Nothing was printed yet.
