"""Handler packages: what a process may import, whom it runs, which handlers cannot be had."""

import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import anyio
import pytest

from apphub_jobs.process.imports import SERVICE_PACKAGES
from tests.support.processes import descendants, eventually
from worker.executors.local import probe
from worker.executors.local.executor import ProcessExecutor
from worker.executors.local.probe import DuplicateHandlerError, HandlersError, offered
from worker.executors.packages import BUILTIN, HandlerPackage, HandlerSource, packages_of
from worker.executors.port import Outcome, Task

Write = Callable[[str, str], None]

HEAD = "from apphub_jobs import JobResult\n"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write files of the operator, who starts the worker in their directory."""
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.chdir(own)

    def write_file(name: str, content: str) -> None:
        path = own / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)

    return write_file


def install(directory: Path, name: str, content: str) -> None:
    """Install a distribution of one module that offers handlers."""
    metadata = directory / f"{name}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[apphub_jobs.handlers]\n{name} = {name}\n")
    (directory / f"{name}.py").write_text(content)


def found(*modules: str, **commands: list[str]) -> dict[str, HandlerPackage]:
    return offered(packages_of(HandlerSource(modules, commands)))


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
    async with executing(found("handlers_of_mine")) as executor:
        told = await result_of(executor, "own.tell", tmp_path / "log")
    assert told == ["mine", "a part of it", "mine"]


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
    async with executing(found("handlers_of_mine")) as executor:
        told = await result_of(executor, "own.tell", tmp_path / "log", names=names)
    assert told == {"seen": {name: name for name in names}, "loaded": []}


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
    packages = found("mine")
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
    packages = found("mine", twice=[sys.executable, "-c", "print(4)"])
    known = set(descendants(os.getpid()))

    def handlers_processes() -> int:
        return len(set(descendants(os.getpid())) - known)

    async with executing(packages, size=1) as executor:
        executor.prepare()
        pid = await result_of(executor, "my.spoil", tmp_path / "1")
        assert await result_of(executor, "command.twice", tmp_path / "2") == 4
        await eventually_in(lambda: not Path(f"/proc/{pid}").exists())
        await eventually_in(lambda: handlers_processes() == 2)  # A supervisor and its process.
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
    async with executing(found("mine"), size=2) as executor:
        executor.prepare()
        pids = [
            await result_of(executor, "my.leave", tmp_path / str(number)) for number in range(4)
        ]
    assert len(set(pids)) == 4


async def test_commands_and_built_in_handlers_have_packages_of_their_own(
    write: Write, tmp_path: Path
) -> None:
    write("mine.py", "HANDLERS = {'my.print': print}\n")
    script = (
        "import json, sys; n = json.load(sys.stdin)['n']; print('working'); print(json.dumps(2*n))"
    )
    packages = found("mine", twice=[sys.executable, "-c", script])
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
    async with executing(found("mine")) as executor:
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
    async with executing(found("mine")) as executor:
        told = await result_of(executor, "my.tell", tmp_path / "log")
    assert told is False, "a loop is imported for those alone who need it"


def test_an_import_that_fails_is_told_with_its_traceback(write: Write) -> None:
    write("mine.py", "from parts import WORD\n")
    write("parts.py", "def word():\n    return {}['missing']\n\nWORD = word()\n")
    with pytest.raises(HandlersError) as raised:
        found("mine")
    text = str(raised.value)
    assert text.startswith("cannot take handlers from the module mine: KeyError: 'missing'\n")
    assert "parts.py" in text
    assert "line 2, in word" in text
    assert "apphub_jobs" not in text


def test_a_module_that_is_not_there_is_told_with_what_to_do(write: Write) -> None:
    write("mine.py", "import no_such_module\n")
    with pytest.raises(HandlersError) as raised:
        found("no_such.handlers")
    first, *_, advice = str(raised.value).splitlines()
    assert "No module named 'no_such'" in first
    assert str(Path.cwd()) in advice
    assert "PYTHONPATH" in advice
    with pytest.raises(HandlersError, match=r"mine\.py.*\n.*import no_such_module") as raised:
        found("mine")
    assert str(raised.value).splitlines()[-1].startswith("no_such_module, which mine imports, is")


def test_who_imports_the_service_is_told_that_it_is_not_for_handlers(write: Write) -> None:
    write("mine.py", "import eventlog\n")
    with pytest.raises(HandlersError) as raised:
        found("mine")
    assert "No module named 'eventlog'" in str(raised.value)
    assert "import apphub_jobs, never eventlog" in str(raised.value).splitlines()[-1]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "mine has no mapping HANDLERS"),
        ("HANDLERS = {'my.number': 3}", "must map names to functions, unlike 'my.number': 3"),
        ("HANDLERS = {3: print}", "must map names to functions, unlike 3"),
        ("def", "module mine: SyntaxError: invalid syntax (mine.py, line 1)"),
        ("raise SystemExit(3)", "importing mine ended the process (exit code 3)"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "the process (signal 9)"),
    ],
)
def test_what_is_no_module_of_handlers_is_told(content: str, told: str, write: Write) -> None:
    write("mine.py", content)
    with pytest.raises(HandlersError) as raised:
        found("mine")
    assert told in str(raised.value)


def test_an_import_that_takes_too_long_is_ended_with_all_that_it_started(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "TIMEOUT_S", 1)
    write("mine.py", "import subprocess, time\nsubprocess.run(['/bin/sleep', '77'])\n")
    known = set(descendants(os.getpid()))
    with pytest.raises(HandlersError, match="importing mine takes longer than 1 s"):
        found("mine")
    assert not [pid for pid in set(descendants(os.getpid())) - known if _sleeps(pid)]
    eventually(lambda: not _sleepers(), what="the end of what the import started")


def _sleepers() -> list[int]:
    pids = (int(path.name) for path in Path("/proc").glob("[0-9]*"))
    return [pid for pid in pids if _sleeps(pid)]


def _sleeps(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() == b"/bin/sleep\x0077\x00"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_module_may_leave_threads_and_print_as_much_as_it_likes(
    write: Write, capfd: pytest.CaptureFixture[str]
) -> None:
    code = """
import threading, time
threading.Thread(target=time.sleep, args=(600,)).start()
print("x" * 1_000_000)
HANDLERS = {"my.print": print}
"""
    write("mine.py", code)
    began = monotonic()
    assert "my.print" in found("mine")
    assert monotonic() - began < 30
    assert capfd.readouterr().out == "", "programs read the worker's standard output"


def test_the_worker_itself_imports_no_handlers(write: Write) -> None:
    write("mine.py", "HANDLERS = {'my.print': print}\n")
    found("mine")
    assert "mine" not in sys.modules


def test_a_name_that_is_offered_twice_is_refused_with_both_modules(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "installed"
    install(installed, "theirs", "HANDLERS = {'a.b': print}\n")
    monkeypatch.syspath_prepend(installed)
    monkeypatch.setenv("PYTHONPATH", str(installed))
    write("mine.py", "HANDLERS = {'a.b': print}\n")
    write("builder.py", "HANDLERS = {'catalog.build.run': print}\n")
    with pytest.raises(DuplicateHandlerError, match=r"'a\.b' is offered by both mine and theirs"):
        found("mine")
    assert found("theirs")["a.b"].modules == ["theirs"], "named and installed, it is one module"
    with pytest.raises(DuplicateHandlerError, match=r"both builder and worker\.handlers"):
        found("builder")
