"""Attempts on a cluster of Ray with two nodes: all as at home, and what only a cluster has."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.integration.executors.comparing import compared, found_no_place, has_printed
from tests.support.clusters.two_nodes import TwoNodes, two_nodes
from tests.support.handlers.tasks import task_of
from tests.support.packages import package_of
from worker.executors.local.descendants import read_parents
from worker.executors.port import Outcome
from worker.executors.ray.executor import PROGRAM, RayAttempt, RayCluster, RayExecutor

# A cluster, and a driver for each test, take their time where all processors are busy.
pytestmark = pytest.mark.timeout(300)

LEASE_S = 5.0

SECRET = "postgresql://somebody:secret@nowhere/"


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest) -> Iterator[TwoNodes]:
    """Give a cluster with the nodes `first` and `second`, which has the name that a test gives."""
    with two_nodes(getattr(request, "param", "second")) as nodes:
        yield nodes


@pytest.fixture
async def where(cluster: TwoNodes, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RayExecutor]:
    """Give an executor that is connected to the cluster."""
    monkeypatch.setenv("APPHUB_DATABASE_URL", SECRET)
    packages = package_of("tests.support.handlers")
    made = RayExecutor(packages, RayCluster(cluster.address), slots=4)
    await made.start()
    yield made
    await made.aclose()


@pytest.fixture
async def beats(where: RayExecutor) -> AsyncIterator["asyncio.Task[None]"]:
    """Give what renews the lease, until a test ends that."""
    beating = asyncio.create_task(beat(where))
    yield beating
    beating.cancel()


async def beat(where: RayExecutor) -> None:
    """Renew the lease, for ever."""
    while True:
        where.renew(monotonic() + LEASE_S)
        await asyncio.sleep(LEASE_S / 6)


async def submit(
    where: RayExecutor, handler: str, log: Path, *, on: str = "", **more: Any
) -> RayAttempt:
    """Submit an attempt, to a certain node if one is named."""
    task = task_of(handler, log, **more)
    if on:
        task = replace(task, worker_labels={f"ray-{on}": "0.1"})
    attempt = await where.submit(task, print, monotonic() + LEASE_S)
    assert isinstance(attempt, RayAttempt)
    return attempt


async def ended(attempt: RayAttempt) -> Outcome:
    """Return how an attempt ended, in time."""
    return await asyncio.wait_for(attempt.outcome(), 120)


async def begun(where: RayExecutor, log: Path, *, on: str = "") -> tuple[RayAttempt, int]:
    """Return an attempt of `sleep` that runs, and the process that it prints."""
    async with asyncio.timeout(120):
        while True:
            attempt = await submit(where, "sleep", log, on=on)
            if await has_printed(attempt, log):
                return attempt, int(log.read_text().split()[-1])
            assert found_no_place(await attempt.outcome())


async def gone(pid: int) -> None:
    """Wait until a process has ended."""
    while Path(f"/proc/{pid}").exists():
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "cluster",
    [pytest.param("", id="one node"), pytest.param("second", id="two", marks=pytest.mark.slow)],
    indirect=True,
)
async def test_every_way_to_end_is_seen_on_a_cluster(where: RayExecutor, tmp_path: Path) -> None:
    assert await compared(where, tmp_path) == ({}, [])


@pytest.mark.slow
async def test_attempts_go_where_there_is_what_they_ask_for_and_end_with_the_lease(
    where: RayExecutor, beats: "asyncio.Task[None]", tmp_path: Path
) -> None:
    there, there_pid = await begun(where, tmp_path / "there", on="second")
    here, here_pid = await begun(where, tmp_path / "here", on="first")
    assert None not in (there.node_id, here.node_id)
    assert there.has_begun
    assert there.node_id != here.node_id
    driver = Path(f"/proc/{driver_pid()}")
    for name in ("environ", "cmdline"):
        assert SECRET.encode() not in (driver / name).read_bytes()

    beats.cancel()
    where.renew(monotonic() + 0.5)
    assert [(await ended(one)).kind for one in (there, here)] == ["lease"] * 2
    async with asyncio.timeout(90):
        for pid in (there_pid, here_pid):
            await gone(pid)


@pytest.mark.slow
@pytest.mark.usefixtures("beats")
async def test_what_finds_no_room_is_handed_back_and_says_why(
    where: RayExecutor, tmp_path: Path
) -> None:
    async with asyncio.timeout(60):
        while where.capacity < 1:
            await asyncio.sleep(0.1)
    task = task_of("noop", tmp_path / "log")
    task = replace(task, definition={"resources": {"cpus": 3}})
    attempt = await where.submit(task, print, monotonic() + 60)
    assert isinstance(attempt, RayAttempt)
    outcome = await ended(attempt)
    assert outcome.kind == "stopped"
    assert "found no place on Ray" in outcome.message["message"]
    assert not attempt.has_begun

    holding = [await submit(where, "sleep", tmp_path / str(number)) for number in range(4)]
    async with asyncio.timeout(60):
        while where.capacity > 0:
            await asyncio.sleep(0.1)
    for one in holding:
        one.stop()
    assert {(await ended(one)).kind for one in holding} == {"stopped"}


@pytest.mark.slow
@pytest.mark.usefixtures("beats")
async def test_the_death_of_the_driver_ends_what_it_started_and_another_one_follows(
    where: RayExecutor, tmp_path: Path
) -> None:
    attempt, pid = await begun(where, tmp_path / "log")
    os.kill(driver_pid(), signal.SIGKILL)
    outcome = await ended(attempt)
    assert outcome.kind == "lost"
    assert not Path(f"/proc/{pid}").exists()

    async with asyncio.timeout(120):
        while where.capacity < 1:
            await asyncio.sleep(0.1)
    after = await submit(where, "noop", tmp_path / "after")
    assert (await ended(after)).kind == "result"


@pytest.mark.slow
async def test_a_frozen_driver_renews_nothing(
    where: RayExecutor, beats: "asyncio.Task[None]", tmp_path: Path
) -> None:
    attempt, pid = await begun(where, tmp_path / "log")
    driver = driver_pid()
    os.kill(driver, signal.SIGSTOP)
    try:
        beats.cancel()
        where.renew(monotonic() + 60)
        async with asyncio.timeout(LEASE_S + 10):
            await gone(pid)
    finally:
        os.kill(driver, signal.SIGCONT)
    assert (await ended(attempt)).kind == "lease"


@pytest.mark.slow
@pytest.mark.usefixtures("beats")
async def test_a_lost_node_is_a_lost_attempt(
    where: RayExecutor, cluster: TwoNodes, tmp_path: Path
) -> None:
    await asyncio.to_thread(cluster.add, "third")
    attempt, pid = await begun(where, tmp_path / "log", on="third")
    elsewhere, _ = await begun(where, tmp_path / "first", on="first")
    await asyncio.to_thread(cluster.kill, "third")
    outcome = await ended(attempt)
    assert outcome.kind == "lost"
    assert not Path(f"/proc/{pid}").exists()
    elsewhere.cancel(0.1)
    assert (await ended(elsewhere)).kind == "canceled"


def driver_pid() -> int:
    """Return the only driver of Ray that is a child of this process."""
    children = [pid for pid, parent in read_parents().items() if parent == os.getpid()]
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
    [pid] = [pid for pid, command in commands.items() if PROGRAM.encode() in command]
    return pid
