"""Clients that try to exhaust the API: it keeps its memory, and answers others meanwhile."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep

import httpx
import pytest

from benchmarks.memory import resident_mb
from tests.support.processes import Process
from tests.support.wires.bombs import BOMBS

MAX_MB = 300

MAX_ANSWER_S = 0.2

ARM_S = 3.0
"""How long a bomb may take to be armed; longer ones are looked at while they arm."""

QUESTIONS = 20

PATIENCE_S = 20.0
"""How long any answer is waited for: the one after a bomb may be 36 MB, on a busy machine."""


@contextmanager
def bomb(name: str, url: str) -> Iterator["subprocess.Popen[str]"]:
    """Let a bomb off, in a process of its own."""
    command = [sys.executable, "-m", "tests.support.wires.bombs", name, url]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        try:
            yield process
        finally:
            process.stdin.close()
            process.wait(20)


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_the_api_survives(api: Process, name: str) -> None:
    url = api.url()
    answers: list[float] = []
    with bomb(name, url), httpx.Client(timeout=PATIENCE_S, trust_env=False) as client:
        until = monotonic() + ARM_S
        while monotonic() < until or len(answers) < QUESTIONS:
            began = monotonic()
            client.get(f"{url}/health").raise_for_status()
            answers.append(monotonic() - began)
            assert resident_mb(api.popen.pid) < MAX_MB
            sleep(0.05)
    # The machine may be busy with other tests: a few late answers are no stall.
    answers.sort()
    assert answers[len(answers) * 3 // 4] < MAX_ANSWER_S, answers
    assert answers[-1] < 10 * MAX_ANSWER_S, answers
    assert httpx.get(f"{url}/jobs", timeout=PATIENCE_S).status_code == 200
    assert [line for line in api.errors if "Traceback" in line] == []


def test_slow_senders_keep_nobody_from_sending_a_body(api: Process) -> None:
    """Each has half a minute for a megabyte, and may take all of it."""
    url = api.url()
    body = {"slug": "large", "metadata": "x" * 200_000}
    with (
        bomb("slow bodies", url) as slow,
        httpx.Client(timeout=PATIENCE_S, trust_env=False) as client,
    ):
        assert slow.stdout is not None
        assert slow.stdout.readline().startswith("armed")
        for _ in range(QUESTIONS):
            assert client.post(f"{url}/jobs", json=body).status_code == 400
