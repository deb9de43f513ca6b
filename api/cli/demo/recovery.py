"""The demonstration of a death: a handler of one's own runs, its worker is killed, it recovers."""

import asyncio
import os
import signal
from pathlib import Path
from time import monotonic
from typing import Any

from rich.console import Console
from rich.syntax import Syntax
from rich.tree import Tree

from api.cli.demo.running import LEASE_S, get, post
from api.cli.demo.watching import Message, Watch

SLUG = "count"

STEPS = 6
KILLED_AT_STEP = 2

HANDLER = f'''\
from time import sleep

from apphub_jobs import JobRunContext, job


@job(retries=1)
def count(context: JobRunContext) -> str:
    """Count, one step in half a second."""
    for step in range(1, {STEPS + 1}):
        context.update(metrics={{"step": step}})
        sleep(0.5)
    return f"counted to {{step}} in attempt {{context.run.attempt}}"
'''

RECOVERY_TIMEOUT_S = 60.0


class _Recovery:
    """What becomes of a run whose worker is killed, with the times."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.killed_at = 0.0
        self.run: dict[str, Any] = {}
        self.seen_s: dict[str, float] = {}

    def is_under_way(self, message: Message) -> bool:
        """Note a message; return whether the run has come to its second step."""
        self._note(message)
        metrics = self.run.get("metrics") or {}
        return bool(metrics.get("step") == KILLED_AT_STEP)

    def is_over(self, message: Message) -> bool:
        """Note a message and when it came; return whether the run has ended."""
        self._note(message)
        status = str(self.run["status"])
        if self.run["attempt"] > 1:
            since_s = monotonic() - self.killed_at
            self.seen_s.setdefault(status, since_s)
        return status in {"succeeded", "failed", "canceled", "expired"}

    def _note(self, message: Message) -> None:
        run = message["data"].get("run")
        if run is not None and run["id"] == self.run_id:
            self.run = run


def write_handler(directory: Path) -> Path:
    """Write the handler's file, and return it."""
    file = directory / "example.py"
    file.write_text(HANDLER, encoding="utf-8")
    return file


async def show_recovery(url: str, console: Console, watch: Watch) -> bool:
    """Kill the worker of a run, and show how it recovers; return whether it did."""
    console.print(
        "\n[bold]A job of one's own[/], in example.py, registered by `dev`:\n"
    )
    source = Syntax(HANDLER, "python", background_color="default")
    console.print(source)
    run = await post(f"{url}/jobs/{SLUG}/run", {})
    run_id = run["id"]
    told = f"[bold]POST /jobs/{SLUG}/run[/] launched {run_id}\n"
    console.print(told)
    recovery = _Recovery(run_id)
    under_way = watch.until(recovery.is_under_way)
    await asyncio.wait_for(under_way, RECOVERY_TIMEOUT_S)
    await _kill_worker(url, console, recovery)
    over = watch.until(recovery.is_over)
    await asyncio.wait_for(over, RECOVERY_TIMEOUT_S)
    _show_times(console, recovery)
    return bool(recovery.run["status"] == "succeeded")


async def _kill_worker(url: str, console: Console, recovery: _Recovery) -> None:
    [attempt] = await get(f"{url}/job-runs/{recovery.run_id}/attempts")
    worker_id = attempt["workerId"]
    _, pid, _ = worker_id.rsplit("-", 2)
    os.kill(int(pid), signal.SIGKILL)
    recovery.killed_at = monotonic()
    console.print(f"[bold yellow]kill -9 {pid}[/], the worker that runs it\n")


def _show_times(console: Console, recovery: _Recovery) -> None:
    tree = Tree("\n[bold]after the kill[/]")
    lease = f"its lease of {LEASE_S} s and a margin"
    told = {
        "pending": f"the loss is in the log, and the run waits again ({lease})",
        "running": "another worker runs it, in its second attempt",
        "succeeded": f"done: {recovery.run['result']}",
    }
    for status, what in told.items():
        if status in recovery.seen_s:
            tree.add(f"{recovery.seen_s[status]:>5.1f} s  {what}")
    console.print(tree)
