"""A slot for attempts: a supervisor with its handlers' process, started ahead of its first task."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from worker import supervisor
from worker.registry import HandlerSource
from worker.workdirs import remove

REPORT_LIMIT_BYTES = 8 * 1_048_576
"""The longest message an attempt may send. Above the domain's limit of a result, which answers more kindly."""

_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
_ENVIRONMENT_PREFIXES = ("SSL_CERT_", "GIT_SSL_")
"""What an attempt gets of the worker's environment: none of the service's settings or secrets."""


class Slot:
    """A supervisor and its handlers' process: runs one attempt at a time, and is gone with one that went wrong."""

    def __init__(self, process: asyncio.subprocess.Process, workdir: Path) -> None:
        self.process = process
        self.workdir = workdir
        self.reports = asyncio.StreamReader(limit=REPORT_LIMIT_BYTES)
        self._attempts = 0

    async def connect(self, receiving: int) -> None:
        """Start to listen to what attempts report."""
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(self.reports), os.fdopen(receiving, "rb"))

    @property
    def lives(self) -> bool:
        """Return whether it can take an attempt."""
        return self.process.returncode is None

    def new_workdir(self) -> Path:
        """Return where the next attempt is to work; it makes the directory itself."""
        self._attempts += 1
        return self.workdir / str(self._attempts)

    def tell(self, command: Mapping[str, Any]) -> None:
        """Say something to the supervisor."""
        if self.process.stdin is not None and not self.process.stdin.is_closing():
            self.process.stdin.write(json.dumps(command).encode() + b"\n")

    def hang_up(self) -> None:
        """End whatever still runs: to the supervisor, the end of its input is the end of the worker."""
        if self.process.stdin is not None:
            self.process.stdin.close()

    async def discard(self) -> None:
        """End it for good."""
        self.hang_up()
        await self.process.wait()
        await asyncio.to_thread(remove, self.workdir)


async def start_slot(source: HandlerSource, workdir: Path) -> Slot:
    """Start a supervisor and its handlers' process, whose attempts work below this directory."""
    receiving, sending = os.pipe()
    try:
        slot = Slot(await _spawn(workdir, sending, source), workdir)
    except BaseException:
        os.close(receiving)
        remove(workdir)
        raise
    finally:
        os.close(sending)
    await slot.connect(receiving)
    return slot


async def _spawn(workdir: Path, sending: int, source: HandlerSource) -> asyncio.subprocess.Process:
    # -P: the working directory is the run's, and no place to import from.
    child = (sys.executable, "-P", "-m", "worker.child", json.dumps(asdict(source)))
    # Shielded: a process that starts while its task is cancelled must still be found and ended.
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", supervisor.__file__, str(sending), *child),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=(sending,),
            cwd=workdir,
            env=_environment(workdir),
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        process = await starting
        if process.stdin is not None:
            process.stdin.close()
        raise


def _environment(workdir: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _ENVIRONMENT or name.startswith(_ENVIRONMENT_PREFIXES)
    }
    return {**kept, "HOME": str(workdir), "TMPDIR": str(workdir), "PYTHONUNBUFFERED": "1"}
