"""A worker's spool belongs to it while it lives, frozen or not, and then to the next one."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from obstore.store import LocalStore

from runtime.tasks import Supervision
from worker.executors.local.log import STDOUT, Log
from worker.logs.object_store import ObjectLogs
from worker.logs.shipping import Spool, run_shipper

HOLDER = """
import sys
from pathlib import Path
from worker.executors.local.log import Log
from worker.logs.shipping import Spool

spool = Spool.create(Path(sys.argv[1]))
spool.path("a/b/run.log").write_bytes(b"left behind")
if sys.argv[2:]:
    log = Log(str(spool.path("a/b/run.log")), 1_000)
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def _holder(root: Path, *more: str) -> "Iterator[subprocess.Popen[bytes]]":
    command = [sys.executable, "-c", HOLDER, str(root), *more]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield process
        finally:
            process.kill()


def test_a_spool_is_taken_over_once_its_worker_was_killed_and_never_before(tmp_path: Path) -> None:
    with _holder(tmp_path) as process:
        assert Spool.take_over(tmp_path) == []
        process.send_signal(signal.SIGSTOP)
        assert Spool.take_over(tmp_path) == []
        process.kill()
        process.wait(90)
        [spool] = Spool.take_over(tmp_path)
        assert spool.names() == ["a/b/run.log"]
        assert spool.read_ended("a/b/run.log") == b"left behind"
        assert Spool.take_over(tmp_path) == []
        spool.close()
        [again] = Spool.take_over(tmp_path)
        again.remove("a/b/run.log")
        again.close()
        assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_of_many_workers_one_takes_a_spool_over(tmp_path: Path) -> None:
    own = Spool.create(tmp_path)
    with _holder(tmp_path) as process, _holder(tmp_path):
        process.kill()
        process.wait(90)
        taken = [spool for _ in range(5) for spool in Spool.take_over(tmp_path)]
        assert len(taken) == 1
        taken[0].close()
    own.close()


def test_a_log_is_not_over_while_its_supervisor_lives_though_its_worker_does_not(
    tmp_path: Path,
) -> None:
    spool = Spool.create(tmp_path)
    path = str(spool.path("a/b/run.log"))
    log = Log(path, 1_000)
    log.add((b"printed\n", STDOUT))
    assert spool.read("a/b/run.log", 25, 100) == b"printed\n"
    assert spool.read_ended("a/b/run.log") is None
    log.close()
    ended = spool.read_ended("a/b/run.log")
    assert ended is not None
    assert ended.endswith(b"Z printed\n")
    spool.remove("a/b/run.log")
    assert spool.read_ended("a/b/run.log") == b""
    spool.close()


async def test_a_log_that_the_store_refuses_keeps_no_other_from_it(tmp_path: Path) -> None:
    store = tmp_path / "store"
    logs = ObjectLogs(LocalStore(store, mkdir=True))
    (store / "a").touch()  # What has a name below it is refused.
    spools = tmp_path / "spools"
    spool = Spool.create(spools)
    for name in ("a/run.log", "b/run.log", "c/run.log"):
        spool.path(name).write_bytes(b"left behind")
    spool.close()
    async with run_shipper(logs, spools, Supervision()), asyncio.timeout(60):
        while any(path.exists() for path in (spool.path("b/run.log"), spool.path("c/run.log"))):
            await asyncio.sleep(0.01)
    assert (store / "b/run.log").exists()
    assert (store / "c/run.log").exists()
    [left] = Spool.take_over(spools)
    names = left.names()
    left.close()
    assert names == ["a/run.log"]
