"""Handler packages: what a process may import, and which attempts it runs."""

import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import anyio
import pytest

from apphub_jobs.process.handlers import SERVICE_PACKAGES
from tests.integration.worker.operator_modules import Write, install, packages_with
from tests.support.processes import descendants
from worker.executors.local.executor import ProcessExecutor
from worker.executors.packages import BUILTIN, HandlerPackage
from worker.executors.port import Outcome, Task

HEAD = "from apphub_jobs import JobResult\n"


@asynccontextmanager
async def executing(
    packages: Mapping[str, HandlerPackage], size: int = 2
) -> AsyncIterator[ProcessExecutor]:
    executor = ProcessExecutor(packages, size)
    try:
        yield executor
    finally:
        await executor.aclose()


async def outcome_of(executor: ProcessExecutor, name: str, log: Path, **parameters: Any) -> Outcome:
    task = Task(
        run={"id": "r", "slug": "s", "attempt": 1, "maxAttempts": 1, "context": {}},
        definition={},
        entry_point=name,
        parameters=parameters,
        inputs={},
        settings={},
        timeout_ms=None,
        memory_mb=None,
        deadline=None,
        log_path=log,
    )
    attempt = await executor.submit(task, lambda _: None, monotonic() + 60)
    return await attempt.outcome()


async def result_of(executor: ProcessExecutor, name: str, log: Path, **parameters: Any) -> Any:
    outcome = await outcome_of(executor, name, log, **parameters)
    assert outcome.kind == "result", (outcome, log.exists() and log.read_text())
    return outcome.message["result"]


@pytest.mark.parametrize("name", ["domain", "api", "worker", "projections"])
async def test_an_operators_own_module_may_have_a_name_of_the_services(
    name: str, write: Write, tmp_path: Path
) -> None:
    write(f"{name}/__init__.py", "WHOSE = 'mine'")
    write(f"{name}/commands.py", "WORD = 'a part of it'")
    code = f"import {name}\nfrom {name}.commands import WORD\n"
    write("handlers_of_mine.py", HEAD + code + TOLD.format(f"[{name}.WHOSE, WORD, LATE()]", name))
    async with executing(packages_with("handlers_of_mine")) as executor:
        answer = await result_of(executor, "own.tell", tmp_path / "log")
    assert answer == ["mine", "a part of it", "mine"]


TOLD = """
def LATE():
    from {1} import WHOSE
    return WHOSE
HANDLERS = {{"own.tell": lambda context: JobResult(result={0})}}
"""


async def test_of_the_service_an_operators_process_sees_nothing(
    write: Write, tmp_path: Path
) -> None:
    code = """
import sys
from importlib import import_module

def seen(name):
    try:
        import_module(name)
    except ModuleNotFoundError as error:
        return error.name
    return "seen"

def tell(context):
    names = context.parameters["names"]
    loaded = [name for name in names if name in sys.modules]
    return JobResult(result={"seen": {name: seen(name) for name in names}, "loaded": loaded})

HANDLERS = {"own.tell": tell}
"""
    write("handlers_of_mine.py", HEAD + code)
    names = sorted(SERVICE_PACKAGES)
    async with executing(packages_with("handlers_of_mine")) as executor:
        answer = await result_of(executor, "own.tell", tmp_path / "log", names=names)
    assert answer == {"seen": {name: name for name in names}, "loaded": []}


SPOIL = """
import os, string

def spoil(context):
    string.SPOILT = "spoilt"
    return JobResult(result=os.getpid())

def look(context):
    return JobResult(result=[os.getpid(), getattr(string, "SPOILT", None)])
"""


async def test_no_handler_meets_what_another_packages_handler_did_to_a_module(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "installed"
    install(installed, "theirs", HEAD + SPOIL + "HANDLERS = {'their.spoil': spoil}\n")
    monkeypatch.syspath_prepend(installed)
    monkeypatch.setenv("PYTHONPATH", str(installed))
    write("mine.py", HEAD + SPOIL + "HANDLERS = {'my.look': look, 'my.spoil': spoil}\n")
    packages = packages_with("mine")
    assert packages["my.look"] is not packages["their.spoil"]
    async with executing(packages, size=3) as executor:
        spoilers, lookers = set(), set()
        for number in range(3):
            log = tmp_path / str(number)
            spoilers.add(await result_of(executor, "their.spoil", log))
            pid, seen = await result_of(executor, "my.look", log)
            lookers.add(pid)
            assert seen is None
        assert (len(spoilers), len(lookers)) == (1, 1), "both were kept warm"
        assert not spoilers & lookers
        own = await result_of(executor, "my.spoil", tmp_path / "own-log")
        assert await result_of(executor, "my.look", tmp_path / "own-log") == [own, "spoilt"]


async def test_an_idle_process_gives_way_to_another_packages(write: Write, tmp_path: Path) -> None:
    write("mine.py", HEAD + SPOIL + "HANDLERS = {'my.spoil': spoil}\n")
    packages = packages_with("mine", twice=[sys.executable, "-c", "print(4)"])
    known = set(descendants(os.getpid()))

    def handlers_processes() -> int:
        return len(set(descendants(os.getpid())) - known)

    async with executing(packages, size=1) as executor:
        executor.prepare()
        pid = await result_of(executor, "my.spoil", tmp_path / "1")
        assert await result_of(executor, "command.twice", tmp_path / "2") == 4
        await eventually_in(lambda: not Path(f"/proc/{pid}").exists())
        # A supervisor and its process.
        await eventually_in(lambda: handlers_processes() == 2)
        assert await result_of(executor, "my.spoil", tmp_path / "3") != pid
        await eventually_in(lambda: handlers_processes() == 2)


async def eventually_in(condition: Callable[[], bool]) -> None:
    """Wait while the loop goes on."""
    with anyio.fail_after(30):
        while not condition():
            await anyio.sleep(0.02)


async def test_a_process_that_was_spoilt_is_followed_by_one_of_its_package(
    write: Write, tmp_path: Path
) -> None:
    code = """
import os, threading, time

def leave_a_thread(context):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    return JobResult(result=os.getpid())

HANDLERS = {"my.leave": leave_a_thread}
"""
    write("mine.py", HEAD + code)
    async with executing(packages_with("mine"), size=2) as executor:
        executor.prepare()
        pids = [
            await result_of(executor, "my.leave", tmp_path / str(number)) for number in range(4)
        ]
    assert len(set(pids)) == 4


async def test_commands_and_built_in_handlers_have_packages_of_their_own(
    write: Write, tmp_path: Path
) -> None:
    write("mine.py", "HANDLERS = {'my.print': print}\n")
    twice = "n = json.load(sys.stdin)['n']; print('working'); print(json.dumps(2*n))"
    script = f"import json, sys; {twice}"
    packages = packages_with("mine", twice=[sys.executable, "-c", script])
    assert packages["catalog.build.run"] is BUILTIN
    assert packages["catalog.ingestion.processRepository"] is BUILTIN
    assert len({packages["my.print"], packages["command.twice"], BUILTIN}) == 3
    async with executing(packages) as executor:
        assert await result_of(executor, "command.twice", tmp_path / "log", n=21) == 42
        refused = await outcome_of(executor, "catalog.build.run", tmp_path / "built-in")
    assert refused.kind in {"result", "error"}, "it ran"


async def test_directories_that_were_given_relatively_are_found_by_attempts(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["modules", "more"]))
    late = "def late(_):\n    from lately import WORD\n    return JobResult(result=WORD)\n"
    write("modules/mine.py", HEAD + late + "HANDLERS = {'my.late': late}\n")
    write("more/lately.py", "WORD = 'found'")
    async with executing(packages_with("mine")) as executor:
        assert await result_of(executor, "my.late", tmp_path / "log") == "found"


async def test_a_handler_may_be_a_coroutine_function(write: Write, tmp_path: Path) -> None:
    code = """
import sys
HAD_LOOP = "asyncio" in sys.modules

async def tell(context):
    import asyncio
    await asyncio.sleep(0)
    return JobResult(result=HAD_LOOP)

HANDLERS = {"my.tell": tell}
"""
    write("mine.py", HEAD + code)
    async with executing(packages_with("mine")) as executor:
        answer = await result_of(executor, "my.tell", tmp_path / "log")
    assert answer is False, "a loop is imported for those alone who need it"


def test_the_worker_itself_imports_no_handlers(write: Write) -> None:
    write("mine.py", "HANDLERS = {'my.print': print}\n")
    packages_with("mine")
    assert "mine" not in sys.modules
