"""`dev` and `up`, interrupted at any moment, end quietly and soon, and leave nothing behind."""

import os
import signal
import threading
from contextlib import suppress
from pathlib import Path
from random import Random
from time import monotonic, sleep
from typing import Self

import httpx
import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests.e2e.support import launch, register
from tests.support.processes import Process, eventually

MOMENTS = int(os.environ.get("APPHUB_INTERRUPTS", "4"))

SEED = int(os.environ.get("APPHUB_INTERRUPT_SEED", "1"))

SOON_S = 20.0
"""On a machine that has other things to do; the time limit, which nothing waits for, is 30 s."""

JOB = '''\
from apphub_jobs import job


@job("tell")
def tell(text: str = "{text}") -> str:
    """Tell a text."""
    print(text)
    return text
'''


@pytest.mark.slow
@pytest.mark.timeout(60 + 60 * MOMENTS)
@pytest.mark.parametrize("command", ["dev", "up"])
def test_interrupted_at_any_moment_it_ends_quietly(
    database_url: str, tmp_path: Path, command: str
) -> None:
    random = Random(f"{SEED} {command}")
    file = tmp_path / "told.py"
    for number in range(MOMENTS):
        file.write_text(JOB.format(text=number))
        # Half of them before it is ready, half of them while others follow what it tells.
        begins = number % 2 == 1
        after_s = random.uniform(0.0, 4.0 if begins else 1.0)
        asks = random.choice([signal.SIGINT, signal.SIGTERM])
        _interrupt(command, file, database_url, after_s, asks, begins=begins)


def _interrupt(
    command: str,
    file: Path,
    database_url: str,
    after_s: float,
    asks: signal.Signals,
    *,
    begins: bool,
) -> None:
    data_dir = file.parent / "data"
    options = [file.name, "--output"] if command == "dev" else ["--handlers", file.name]
    arguments = [command, *options, "--port", "0", "--data-dir", str(data_dir)]
    env = {"APPHUB_DATABASE_URL": database_url}
    # Not forked: it is interrupted while it imports its code, too, and shows its environment.
    process = Process(arguments, env, "apphub_jobs", directory=file.parent)
    with _Followers() as followers:
        if begins:
            sleep(after_s)
        else:
            url = process.url()
            followers.follow(url)
            if command == "dev":
                # It is asking what the file offers now.
                file.write_text(JOB.format(text="other"))
            sleep(after_s)
        asked_at = monotonic()
        code = process.stop(asks)
        took_s = monotonic() - asked_at
    output = "\n".join(process.lines + process.errors)
    assert "Traceback" not in output, output
    assert "Exception" not in output, output
    assert code in {0, 1, 128 + asks, -asks}, output
    assert took_s < SOON_S
    eventually(lambda: not _left(data_dir), what="the end of all processes")


class _Followers:
    """Clients that ask for what has no end."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self._is_following = threading.Semaphore(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join()

    def follow(self, url: str) -> None:
        """Follow the log of a run that does not start, and the stream in both of its forms."""
        with httpx.Client(base_url=url, timeout=90) as client:
            if client.get("/jobs/tell").status_code == 404:
                register(client, "tell", "tell")
            run_id = launch(client, "tell", delayMs=3_600_000)
            launch(client, "tell")
        log = f"{url}/job-runs/{run_id}/logs?follow=true"
        stream = f"{url}/events/stream?after=0"
        socket = f"{url.replace('http', 'ws', 1)}/ws?after=0"
        for listen in (
            lambda: self._read(log),
            lambda: self._read(stream),
            lambda: self._hear(socket),
        ):
            thread = threading.Thread(target=listen, daemon=True)
            thread.start()
            self._threads.append(thread)
        for _ in self._threads:
            assert self._is_following.acquire(timeout=90)

    def _read(self, url: str) -> None:
        with (
            suppress(httpx.HTTPError),
            httpx.Client(timeout=None) as client,
            client.stream("GET", url) as answer,
        ):
            self._is_following.release()
            for _ in answer.iter_bytes():
                pass

    def _hear(self, url: str) -> None:
        with suppress(WebSocketException, OSError), connect(url) as socket:
            self._is_following.release()
            for _ in socket:
                pass


def _left(data_dir: Path) -> list[str]:
    """Return the command lines of processes that have to do with this directory."""
    leftovers: list[str] = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        with suppress(OSError):
            about = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            if os.fsencode(data_dir) in about:
                leftovers.append((process / "cmdline").read_text())
    return leftovers
