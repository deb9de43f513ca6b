"""What a probe tells of handler modules: what they offer, or why they cannot be had."""

import os
from pathlib import Path
from time import monotonic

import pytest

from tests.integration.worker.operator_modules import Write, install, packages_with
from tests.support.processes import descendants, eventually
from worker.executors.local import probe
from worker.executors.local.probe import DuplicateHandlerError, HandlersError


def test_an_import_that_fails_is_told_with_its_traceback(write: Write) -> None:
    write("mine.py", "from parts import WORD\n")
    write("parts.py", "def word():\n    return {}['missing']\n\nWORD = word()\n")
    with pytest.raises(HandlersError) as raised:
        packages_with("mine")
    text = str(raised.value)
    assert text.startswith("cannot take handlers from the module mine: KeyError: 'missing'\n")
    assert "parts.py" in text
    assert "line 2, in word" in text
    assert "apphub_jobs" not in text


def test_a_module_that_is_not_there_is_told_with_what_to_do(write: Write) -> None:
    write("mine.py", "import no_such_module\n")
    with pytest.raises(HandlersError) as raised:
        packages_with("no_such.handlers")
    first, *_, advice = str(raised.value).splitlines()
    assert "No module named 'no_such'" in first
    assert advice.startswith("no_such.handlers is not in")
    assert str(Path.cwd()) in advice
    assert "PYTHONPATH" in advice
    with pytest.raises(HandlersError, match=r"mine\.py.*\n.*import no_such_module") as raised:
        packages_with("mine")
    assert str(raised.value).splitlines()[-1].startswith("no_such_module, which mine imports, is")


def test_who_imports_the_service_is_told_that_it_is_not_for_handlers(write: Write) -> None:
    write("mine.py", "import eventlog\n")
    with pytest.raises(HandlersError) as raised:
        packages_with("mine")
    assert "No module named 'eventlog'" in str(raised.value)
    assert "import apphub_jobs, never eventlog" in str(raised.value).splitlines()[-1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "mine has no mapping HANDLERS"),
        ("HANDLERS = {'my.number': 3}", "must map names to functions, unlike 'my.number': 3"),
        ("HANDLERS = {3: print}", "must map names to functions, unlike 3"),
        ("def", "module mine: SyntaxError: invalid syntax (mine.py, line 1)"),
        ("raise SystemExit(3)", "importing mine ended the process (exit code 3)"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "the process (signal 9)"),
    ],
)
def test_what_is_no_module_of_handlers_is_told(content: str, message: str, write: Write) -> None:
    write("mine.py", content)
    with pytest.raises(HandlersError) as raised:
        packages_with("mine")
    assert message in str(raised.value)


def test_an_import_that_takes_too_long_is_ended_with_all_that_it_started(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "TIMEOUT_S", 1)
    write("mine.py", "import subprocess, time\nsubprocess.run(['/bin/sleep', '77'])\n")
    known = set(descendants(os.getpid()))
    with pytest.raises(HandlersError, match="importing mine takes longer than 1 s"):
        packages_with("mine")
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
    assert "my.print" in packages_with("mine")
    assert monotonic() - began < 300
    assert capfd.readouterr().out == "", "programs read the worker's standard output"


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
        packages_with("mine")
    assert packages_with("theirs")["a.b"].modules == ["theirs"], (
        "named and installed, it is one module"
    )
    with pytest.raises(DuplicateHandlerError, match=r"both builder and catalog\.handlers"):
        packages_with("builder")
