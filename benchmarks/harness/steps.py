"""A command of ours in whose process each step of the log's writer is marked.

    python -m benchmarks.harness.steps FILE worker ...

A mark says when the step began, and how much processor time this process, those below it and the
writer's session of PostgreSQL had used by then. The file has all once the command has ended.
"""

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness.processors import processes
from cli.main import main
from domain.commands.executions import Claim
from eventlog.append.writer import Waiting, Writer
from eventlog.database import sql
from eventlog.database.pipeline import RoundTrip
from projections.rows import Connection
from worker.attempts import Attempts
from worker.executors.port import Outcome
from worker.outcomes import ClaimedRun

WAIT = "waits for requests"
LOCK = "locks and reads"
READ = "reads more"
WRITE = "writes and commits"
PLAN = "decides and plans"

LOOK_EVERY_S = 1.0


class Mark(NamedTuple):
    """The beginning of a step, and the processor time that each has used by then, in seconds."""

    at: float
    step: str
    worker: float
    handlers: float
    postgresql: float


class Batch(NamedTuple):
    """A batch that the writer begins to write."""

    at: float
    requests: int
    has_claim: bool


@dataclass
class Marks:
    """What is marked, and the times at which runs were started and their ends came."""

    marks: list[Mark] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    session_pid: int = 0
    _below: list[int] = field(default_factory=list)
    _looked_at: float = 0.0

    def step(self, step: str) -> None:
        """Mark that a step begins."""
        now = time.monotonic()
        if now > self._looked_at + LOOK_EVERY_S:
            self._looked_at, self._below = now, _below(os.getpid())
        handlers = sum(map(_used_s, self._below))
        used = (time.process_time(), handlers, _used_s(self.session_pid))
        self.marks.append(Mark(now, step, *used))

    def write(self, file: Path) -> None:
        """Write everything as JSON."""
        file.write_text(json.dumps([self.marks, self.batches, self.starts, self.ends]))

    @classmethod
    def read(cls, file: Path) -> "Marks":
        """Read what `write` has written."""
        marks, batches, starts, ends = json.loads(file.read_text())
        return cls(
            [Mark(*mark) for mark in marks], [Batch(*batch) for batch in batches], starts, ends
        )


def _below(pid: int) -> list[int]:
    """Return the processes that a process has started, and theirs."""
    all_ = processes()
    tree = [pid]
    for above in tree:
        tree += [child for child, used in all_.items() if used.parent == above]
    return tree[1:]


def _used_s(pid: int) -> float:
    """Return the processor time of another process, which Linux shows as a clock."""
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:  # It has ended, or there is none yet.
        return 0.0


def mark_steps(marks: Marks) -> None:
    """Let the writer, and whatever starts and ends runs, mark what they do."""
    connected, write = Writer._connected, Writer._write  # noqa: SLF001 - for this
    send = RoundTrip.send
    start, end = Attempts.start, ClaimedRun.end
    sessions: set[int] = set()

    async def mark_session(self: Writer) -> Connection:
        connection = await connected(self)
        sessions.add(id(connection))
        marks.session_pid = connection.info.backend_pid
        return connection

    async def mark_batch(self: Writer, batch: list[Waiting], patience_s: float) -> None:
        has_claim = any(request.claimant is not None for request, _ in batch)
        marks.batches.append(Batch(time.monotonic(), len(batch), has_claim))
        marks.step(PLAN)
        await write(self, batch, patience_s)
        marks.step(WAIT)

    async def mark_trip(self: RoundTrip) -> None:
        if id(self._connection) not in sessions:
            await send(self)
            return
        queries = {statement.query for statement in self._statements}
        step = WRITE if b"COMMIT" in queries else READ
        marks.step(LOCK if sql.LOCK.encode() in queries else step)
        await send(self)
        marks.step(PLAN)

    def mark_start(self: Attempts, claim: Claim) -> None:
        marks.starts.append(time.monotonic())
        start(self, claim)

    async def mark_end(self: ClaimedRun, outcome: Outcome) -> None:
        marks.ends.append(time.monotonic())
        await end(self, outcome)

    setattr(Writer, "_connected", mark_session)  # noqa: B010 - mypy refuses an assignment
    setattr(Writer, "_write", mark_batch)  # noqa: B010
    setattr(RoundTrip, "send", mark_trip)  # noqa: B010
    setattr(Attempts, "start", mark_start)  # noqa: B010
    setattr(ClaimedRun, "end", mark_end)  # noqa: B010


def run(arguments: Sequence[str]) -> None:
    """Run the command line with marks."""
    file, *command = arguments
    marks = Marks()
    mark_steps(marks)
    sys.argv = ["apphub-jobs", *command]
    try:
        main()
    finally:
        marks.write(Path(file))


if __name__ == "__main__":
    run(sys.argv[1:])
