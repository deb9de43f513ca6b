"""A cluster of Ray with two nodes, as a test holds it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import IO

import pytest

from tests import ROOT
from tests.support.processes import descendants, without_settings

END_S = 30.0

OPTIONS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # A node takes its time to start where all processors are busy.
    "RAY_raylet_start_wait_time_s": "120",
}

PROGRAM = "tests.support.clusters.program"


class TwoNodes:
    """A cluster in processes of its own: nothing of Ray is imported here."""

    def __init__(self, orders: IO[str], answers: IO[str]) -> None:
        self._orders = orders
        self._answers = answers
        self.address = self._answer()

    def add(self, name: str) -> None:
        """Add a node with a custom resource of this name."""
        self._ask(f"add {name}")

    def kill(self, name: str) -> None:
        """Kill all processes of such a node."""
        self._ask(f"kill {name}")

    def _ask(self, order: str) -> None:
        print(order, file=self._orders, flush=True)
        assert self._answer() == order

    def _answer(self) -> str:
        answer = self._answers.readline().strip()
        assert answer, "the cluster has ended"
        return answer


@contextmanager
def two_nodes(second: str = "second") -> Iterator[TwoNodes]:
    """Start a cluster; skip where Ray is not installed and not demanded.

    Args:
        second: the name of its second node; with an empty one, there is none.
    """
    if not has_ray():
        if os.environ.get("APPHUB_TEST_RAY") == "required":
            pytest.fail("Ray is not installed")
        pytest.skip("Ray is not installed: pip install 'apphub-jobs-server[ray]'")
    with started_nodes(second) as nodes:
        yield nodes


def has_ray() -> bool:
    """Return whether Ray is installed."""
    return find_spec("ray") is not None


@contextmanager
def started_nodes(second: str = "second") -> Iterator[TwoNodes]:
    """Start a cluster, and end it."""
    process = subprocess.Popen(
        [sys.executable, "-m", PROGRAM, second],
        cwd=ROOT,
        env={**without_settings(), **OPTIONS},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield TwoNodes(process.stdin, process.stdout)
    finally:
        process.stdin.close()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            for pid in (*descendants(process.pid), process.pid):
                subprocess.run(["kill", "-9", str(pid)], check=False)
            process.wait(END_S)
        process.stdout.close()
