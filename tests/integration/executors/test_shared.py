"""A shared process: who prints what, and how long it stays."""

import asyncio
import os
import subprocess
import sys
import tempfile
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.integration.executors.submitting import Submitting, ended
from tests.support.handlers.tasks import printed
from tests.support.packages import package_of
from worker.executors import attempt_logs, shared_process
from worker.executors.packages import HandlerPackage
from worker.executors.shared import SharedExecutor


async def test_hundreds_wait_in_one_process(shared: Submitting) -> None:
    attempts = [await shared.submit("sleep", forMs=1_000) for _ in range(300)]
    outcomes = [await ended(attempt) for attempt in attempts]
    assert {outcome.kind for outcome in outcomes} == {"result"}
    assert len({outcome.message["result"] for outcome in outcomes}) == 1


async def test_what_is_printed_is_its_own_whoever_else_prints(shared: Submitting) -> None:
    names = [f"attempt {letter}" for letter in "abcdefgh"]
    attempts = [await shared.submit("chat", name=name) for name in names]
    assert [(await ended(one)).message["result"] for one in attempts] == names
    for number, name in enumerate(names):
        printed = shared.log(number).read_text().splitlines()
        texts = [line.split(" ", 1)[1] for line in printed]
        assert sorted(texts) == sorted(
            text
            for step in range(20)
            for text in (
                f"{name} prints {step}",
                f"INFO {name} logs {step}",
                f"{name} speaks in a thread {step}",
            )
        )
    last = [update["metrics"]["step"] for update in shared.updates]
    assert last.count(19) == len(names), "the last report of each was heard"
    assert len(last) < 20 * len(names), "reports were gathered"


async def test_a_disk_that_hangs_holds_up_who_printed_and_nobody_else(shared: Submitting) -> None:
    os.mkfifo(shared.log(0))  # Opened for writing, it waits for a reader.
    printing = await shared.submit("sleep", forMs=0)
    assert (await shared.run("noop")).kind == "result"
    with os.fdopen(os.open(shared.log(0), os.O_RDONLY | os.O_NONBLOCK)) as reader:
        assert (await ended(printing)).kind == "result"
        assert "waiting in" in reader.read()


async def test_attempts_of_handlers_that_are_offered_no_more_come_to_their_end(
    shared: Submitting,
) -> None:
    going_on = await shared.submit("sleep", forMs=500)
    shared.where.use_packages(package_of("tests.support.handlers"))
    after = await shared.run("sleep", forMs=0)
    outcome = await ended(going_on)
    assert outcome.kind == "result"
    assert after.message["result"] != outcome.message["result"], "a new process"


async def test_who_waited_for_a_process_that_takes_no_more_shares_the_next(
    shared: Submitting,
) -> None:
    submitting = [asyncio.create_task(shared.run("sleep", forMs=0)) for _ in range(5)]
    await asyncio.sleep(0)
    shared.where.use_packages(package_of("tests.support.handlers"))
    outcomes = await asyncio.gather(*submitting, shared.run("sleep", forMs=0))
    assert len({outcome.message["result"] for outcome in outcomes}) == 1


async def test_a_process_that_has_nothing_to_do_ends_after_a_while(
    shared: Submitting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_process, "IDLE_S", 0.2)
    number = (await shared.run("sleep", forMs=200)).message["result"]
    async with asyncio.timeout(90):
        while Path(f"/proc/{number}").exists():
            await asyncio.sleep(0.01)
    again = await shared.run("sleep", forMs=0)
    assert again.kind == "result"


async def test_no_attempt_pays_for_the_start_of_its_process(tmp_path: Path) -> None:
    module = "from time import sleep\nsleep(3.5)\nHANDLERS = {'test.noop': lambda _: 1}\n"
    (tmp_path / "slow_to_load.py").write_text(module)
    package = HandlerPackage(modules=("slow_to_load",), directories=(str(tmp_path),))
    async with aclosing(SharedExecutor({"test.noop": package})) as where:
        submitting = Submitting(where, tmp_path)
        assert (await submitting.run("noop", timeout_ms=3_000)).kind == "result"


async def test_attempts_end_whose_process_cannot_load_its_handlers(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import nothing_of_that_name\n")
    package = HandlerPackage(modules=("broken",), directories=(str(tmp_path),))
    async with aclosing(SharedExecutor({"test.noop": package})) as where:
        submitting = Submitting(where, tmp_path)
        assert (await submitting.run("noop", timeout_ms=60_000)).kind == "exit"


UNFIT = """
import os
import sys

os.write(int(sys.argv[3]), b'{"type": "ready", "contract": "another"}\\n')
HANDLERS = {"test.noop": lambda _: 1}
"""


async def test_no_attempt_begins_in_a_process_of_another_contract(tmp_path: Path) -> None:
    (tmp_path / "unfit.py").write_text(UNFIT)
    package = HandlerPackage(modules=("unfit",), directories=(str(tmp_path),))
    async with aclosing(SharedExecutor({"test.noop": package})) as where:
        submitting = Submitting(where, tmp_path)
        attempts = [await submitting.submit("noop") for _ in range(2)]
        outcomes = [await ended(attempt) for attempt in attempts]
    assert [outcome.kind for outcome in outcomes] == ["invalid"] * 2
    assert "has an apphub-jobs of another contract" in outcomes[1].message["message"]


async def test_no_attempt_gets_the_error_of_an_earlier_start(
    shared: Submitting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
        submitting = asyncio.create_task(shared.submit("noop"))
        await asyncio.sleep(0)  # It waits for the start of a process.
        submitting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await submitting
    assert (await shared.run("noop")).kind == "result"


async def test_a_disk_that_hangs_keeps_no_attempt_from_ending(
    shared: Submitting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt_logs, "CLOSING_S", 0.2)
    hung = shared.log(0)
    os.mkfifo(hung)  # To open it takes as long as nobody reads.
    outcome = await shared.run("echo")
    reader = os.open(hung, os.O_RDONLY | os.O_NONBLOCK)
    assert (await shared.run("echo")).kind == "result"
    os.close(reader)
    assert outcome.kind == "result"
    await printed(shared.log(1))


LOGS = """
import asyncio
import sys
from pathlib import Path

from worker.executors import attempt_logs

attempt_logs.CLOSING_S = 0.1


async def main():
    logs = attempt_logs.AttemptLogs()
    log = attempt_logs.AttemptLog(logs, Path(sys.argv[1]))
    log.add(b"printed")
    closed = asyncio.Event()
    log.close(closed.set)
    await closed.wait()
    logs.end()


asyncio.run(main())
"""


def test_a_disk_that_hangs_keeps_no_process_from_exiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    subprocess.run([sys.executable, "-c", LOGS, str(tmp_path / "log")], check=True, timeout=90)
