"""Reports of attempts while the worker does not read."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from apphub_jobs.process.shared import (
    BATCH_S,
    MAX_UNREAD_BYTES,
    MAX_WAITING_OUTPUT_BYTES,
    Outbox,
    Output,
)

MB = 1_048_576


class Unread:
    """An outbox whose reader has not read so much that the rest waits."""

    def __init__(self, out: asyncio.WriteTransport, descriptor: int) -> None:
        self.outbox = Outbox(asyncio.get_running_loop(), out)
        self._out = out
        self._descriptor = descriptor

    async def read(self) -> list[Mapping[str, Any]]:
        """Return all lines up to the last outcome, but for what was unread."""
        self.outbox.add_outcome("last", {"type": "result"})
        with os.fdopen(self._descriptor, "rb", closefd=False) as reader:
            lines: list[Mapping[str, Any]] = []
            await asyncio.to_thread(reader.readline)
            while not lines or lines[-1]["id"] != "last":
                line = await asyncio.to_thread(reader.readline)
                if line.strip():
                    lines.append(json.loads(line))
        return lines


@pytest.fixture
async def unread() -> AsyncIterator[Unread]:
    """Give an outbox that nobody reads."""
    receiving, sending = os.pipe()
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(sending, "wb", buffering=0)
    out, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, pipe)
    out.write(b"." * 2 * MAX_UNREAD_BYTES + b"\n")
    yield Unread(out, receiving)
    out.abort()
    os.close(receiving)


async def test_reports_merge_while_nobody_reads(unread: Unread) -> None:
    for step in range(5):
        report = {"metrics": {"step": step}, "context": {}, "logsUrl": None}
        unread.outbox.add_report("one", report)
        await asyncio.sleep(2 * BATCH_S)
    unread.outbox.add_outcome("one", {"type": "result"})
    lines = [line for line in await unread.read() if line["id"] == "one"]
    assert [line["type"] for line in lines] == ["update", "result"]
    assert lines[0]["metrics"] == {"step": 4}


async def test_waiting_output_of_all_attempts_is_bounded(unread: Unread) -> None:
    outputs = [Output(name, unread.outbox.add_output) for name in "abcde"]
    printed = 0
    for output in outputs:
        for _ in range(9):
            output.add(b"x" * MB, "stdout")
            printed += MB
    assert sum(output.dropped_bytes for output in outputs) == printed - MAX_WAITING_OUTPUT_BYTES
    for output in outputs:
        unread.outbox.add_outcome(output.attempt_id, {"type": "result"})
    lines = [line for line in await unread.read() if line["type"] == "output"]
    assert sum(len(line["text"]) for line in lines) == MAX_WAITING_OUTPUT_BYTES
    before = outputs[0].dropped_bytes
    outputs[0].add(b"x", "stderr")
    assert outputs[0].dropped_bytes == before, "its output is sent again"
