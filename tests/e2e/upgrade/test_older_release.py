"""An older release and this one on one log, as while an operator replaces one by the other.

Nothing stops, nothing is lost and streams go on, whatever is in the log that only a version to come
understands. `make rolling` does it for longer, or with another older release.
"""

import os
import signal
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from eventlog.database.connection import Database
from eventlog.rebuild.differences import Difference
from eventlog.rebuild.rebuild import rebuild
from eventlog.rebuild.verify import verify
from migrations import runner
from projections.tables import TABLES
from tests.e2e.support import launch, register
from tests.e2e.upgrade import releases
from tests.e2e.upgrade.mixed import PATIENCE_S, Gate, Mixed, head, positions
from tests.e2e.upgrade.releases import Release
from tests.integration.streams import Stream, stream
from tests.support import newer
from tests.support.logs import query
from tests.support.processes import Process, wait_for_run
from tests.support.sample_logs import promises

ROUNDS = int(os.environ.get("APPHUB_ROLLING_ROUNDS", "0"))
"""How often a worker of each release is killed before the older one goes."""

FEW = 4

WORK = (*("--handlers", "tests.support.handlers"), *("--lease-s", "3"), *("--slots", "5"))

EVERY_POSITION = "SELECT notification_id FROM jobs_events ORDER BY 1"


@pytest.mark.slow
@pytest.mark.spoils_its_log
@pytest.mark.timeout(300 + 60 * ROUNDS)
async def test_an_older_release_is_replaced_while_everything_goes_on(
    empty_database_url: str, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        scene = Scene(stack, empty_database_url, tmp_path)
        launched, alone = _replace(scene)
    database = Database(empty_database_url)
    # Once the older release has gone, the tables are made what they would be without it.
    for table in TABLES:
        await rebuild(database, table, lambda _: None, lambda *_: None)
    differences: list[Difference] = []
    await verify(database, TABLES, differences.append, lambda *_: None)
    assert {(one.key, one.kind) for one in differences} == {
        (run_id, "unreadable") for run_id in alone
    }
    broken, _ = await promises.find_broken(database, map(UUID, launched))
    assert {str(one.aggregate_id) for one in broken} == alone


class Scene:
    """Processes of both releases on one log; they end with the stack."""

    def __init__(self, stack: ExitStack, url: str, directory: Path) -> None:
        self.stack = stack
        self.url = url
        self.directory = directory
        self.old = releases.older(directory / "old")
        self._place = ("--database-url", url, "--data-dir", str(directory / "data"))

    def api(self, release: Release) -> Process:
        """Run an API."""
        serve = release.started("serve", "--port", "0", *self._place)
        return self.stack.enter_context(serve)

    def workers(self, release: Release, number: int = 1) -> list[Process]:
        """Run workers, and wait until they are at work."""
        started = [
            self.stack.enter_context(release.started("worker", *self._place, *WORK))
            for _ in range(number)
        ]
        for worker in started:
            worker.wait_for_line("is ready with", errors=True)
        return started

    def client(self, api: Process) -> httpx.Client:
        """Return a client of an API."""
        return self.stack.enter_context(httpx.Client(base_url=api.url(), timeout=90))

    def stream(self, client: httpx.Client, after: int) -> Stream:
        """Follow the log from a place on."""
        # Nobody reads while others are waited for, but pings are answered all the same.
        following = stream(client, after=after, max_queue=None)
        return self.stack.enter_context(following)


def _replace(scene: Scene) -> tuple[list[str], set[str]]:
    """Replace the older release; return the runs that were accepted, and those left alone."""
    older_api = scene.api(scene.old)
    [dying] = scene.workers(scene.old)
    older = scene.client(older_api)
    before = scene.stream(older, 0)
    gate = Gate(scene.directory / "gate")
    held = _hold(older, gate)
    # It could not be started any more once the schema is this version's.
    survivors = scene.workers(scene.old, ROUNDS)

    newer_api = scene.api(releases.THIS)
    newer_ = scene.client(newer_api)
    from_newer = scene.stream(newer_, 0)
    fair = _leave_turns_alone(older, newer_)
    [worker] = scene.workers(releases.THIS)
    assert runner.current(scene.url) == runner.HEAD
    mixed = Mixed(older, newer_)
    mixed.launched += held[1:]
    mixed.launch(FEW, "echo")
    for run_id in fair:
        wait_for_run(newer_, run_id, "succeeded", timeout_s=PATIENCE_S)
    alone = _meet_what_is_to_come(scene, mixed, held[0])
    dying.stop(signal.SIGKILL)
    gate.open()
    mixed.has_lost_nothing()
    for survivor in survivors:
        _lose(scene, mixed, worker)
        [worker] = scene.workers(releases.THIS)
        _lose(scene, mixed, survivor)
    mixed.leaves_alone(alone)

    before.until_served(head(scene.url))
    assert older_api.stop() == 0
    mixed.apis = (newer_, newer_)
    moved = scene.stream(newer_, positions(before)[-1])
    mixed.launch(FEW, "echo")
    mixed.has_lost_nothing()
    for one in (moved, from_newer):
        one.until_served(head(scene.url))
    in_the_log = [position for (position,) in query(scene.url, EVERY_POSITION)]
    assert positions(before) + positions(moved) == in_the_log
    assert positions(from_newer) == in_the_log
    assert (newer_api.popen.poll(), worker.popen.poll()) == (None, None)
    return mixed.launched + fair, set(alone)


def _hold(older: httpx.Client, gate: Gate) -> list[str]:
    """Register the jobs; let the only worker there is have runs until the gate is open."""
    register(older, "echo", "test.echo")
    register(older, "gated", "test.count", retryPolicy={"maxAttempts": 10})
    held = [launch(older, "gated", **gate.launch) for _ in range(FEW)]
    for run_id in held:
        wait_for_run(older, run_id, "running")
    return held


def _leave_turns_alone(older: httpx.Client, newer_: httpx.Client) -> list[str]:
    """See the older release leave runs alone that take turns; return them."""
    register(newer_, "fair", "test.echo", fairnessKey="tenant")
    runs = [launch(newer_, "fair", parameters={"tenant": tenant}) for tenant in "aab"]
    passing = launch(newer_, "echo")
    wait_for_run(older, passing, "succeeded")
    for run_id in runs:
        run = wait_for_run(older, run_id, "pending")
        assert run["quarantined"] is True
    return runs


def _meet_what_is_to_come(scene: Scene, mixed: Mixed, running: str) -> dict[str, str]:
    """Append events that neither release understands; return the runs that are left alone."""
    _, newer_ = mixed.apis
    pending = launch(newer_, "echo", delayMs=1_000)
    newer.append_all(scene.url, running, pending)
    return {running: "running", pending: "pending"}


def _lose(scene: Scene, mixed: Mixed, victim: Process) -> None:
    """Kill a worker while runs are under way; others take over those that it had."""
    gate = Gate(scene.directory / f"gate-{victim.popen.pid}")
    newer.append(scene.url, uuid4(), "webhook.delivered")
    running = mixed.launch(FEW, "gated", **gate.launch)
    mixed.wait(running, "running")
    victim.stop(signal.SIGKILL)
    gate.open()
    mixed.has_lost_nothing()
