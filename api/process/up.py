"""`apphub-jobs up`: database, API and worker together, started and stopped in order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from types import FrameType

from api.process.serving import LIFELINE_VARIABLE

RESTART_PAUSE_S = 1.0
POLL_S = 0.2
STOP_TIMEOUT_S = 30.0
"""Above a worker's grace time, so that what runs is handed back before anybody loses patience."""


class Supervisor:
    """Keeps an API and a worker running. Both end when this process does, however it does."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Take what both are told: the options, as variables."""
        self._environment = environment
        self._lifeline, self._held = os.pipe()
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._signals = 0

    def run(self) -> int:
        """Run until SIGINT or SIGTERM, or until the API ends; return the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note_signal)
        for name in ("serve", "worker"):
            self._start(name)
        while not self._signals:
            code = self._children["serve"].poll()
            if code is not None:
                self._stop()
                return code or 1
            if self._children["worker"].poll() is not None:
                print("the worker ended; starting another one", file=sys.stderr)  # noqa: T201
                time.sleep(RESTART_PAUSE_S)
                self._start("worker")
            time.sleep(POLL_S)
        self._stop()
        return 0

    def _start(self, name: str) -> None:
        self._children[name] = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-P", "-m", "apphub_jobs", name],
            env={**self._environment, LIFELINE_VARIABLE: str(self._lifeline)},
            pass_fds=(self._lifeline,),
            # Ctrl-C is for this process, which stops its children in order.
            start_new_session=True,
        )

    def _stop(self) -> None:
        """Stop the worker first, so that it can still record, then the API."""
        for name in ("worker", "serve"):
            self._stop_child(self._children[name])

    def _stop_child(self, child: "subprocess.Popen[bytes]") -> None:
        sent = 0
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while child.poll() is None:
            if sent < max(1, self._signals):  # A second Ctrl-C is passed on as well.
                with suppress(ProcessLookupError):
                    child.send_signal(signal.SIGTERM)
                sent += 1
            if time.monotonic() > deadline:
                child.kill()
            time.sleep(POLL_S / 4)

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._signals += 1
