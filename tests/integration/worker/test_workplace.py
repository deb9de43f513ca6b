"""Whose a working directory is, decided by the kernel's locks: real ones, in real processes."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest

from worker.executors.local.workplace import (
    Workplace,
    remove_abandoned_workplaces,
    workplaces_directory,
)

OWNER = """
import subprocess, time
from worker.executors.local.workplace import Workplace
workplace = Workplace()
child = subprocess.Popen(["sleep", "600"], close_fds=False, stdout=subprocess.DEVNULL)
print(child.pid, workplace.new_directory(), flush=True)
time.sleep(600)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let this test's processes use a temporary directory of their own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@dataclass(frozen=True)
class Owner:
    """A process that has a workplace, one of its directories, and a process that it started."""

    process: "subprocess.Popen[str]"
    directory: Path
    child: int


@pytest.fixture
def owner(temporary: Path) -> Iterator[Owner]:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        child, _, directory = process.stdout.readline().strip().partition(" ")
        assert Path(directory).parent.parent == workplaces_directory()
        try:
            yield Owner(process, Path(directory), int(child))
        finally:
            process.kill()
            os.kill(int(child), signal.SIGKILL)


def test_a_workplace_is_swept_once_its_process_is_gone_whatever_that_had_started(
    owner: Owner,
) -> None:
    (owner.directory / "deep").mkdir()
    (owner.directory / "deep" / "file").write_text("left")
    remove_abandoned_workplaces()
    owner.process.send_signal(signal.SIGSTOP)
    remove_abandoned_workplaces()
    assert (owner.directory / "deep" / "file").exists()
    owner.process.kill()
    owner.process.wait(90)
    os.kill(owner.child, 0)
    remove_abandoned_workplaces()
    assert not owner.directory.parent.exists()


TELLER = """
import time
from cli.process.handler_feed import HandlerFile
file = HandlerFile()
file.write({})
print("written", flush=True)
time.sleep(600)
"""


def test_the_file_of_handlers_is_swept_once_who_wrote_it_is_gone(temporary: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", TELLER], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "written\n"
            remove_abandoned_workplaces()
            assert [*workplaces_directory().rglob("handlers.json")]
        finally:
            process.kill()
    remove_abandoned_workplaces()
    assert [*workplaces_directory().iterdir()] == []


def test_nothing_else_is_swept(temporary: Path) -> None:
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    (temporary / "apphub-work-link").symlink_to(elsewhere)
    (temporary / "apphub-work-file").touch()
    (temporary / "apphub-run-old").mkdir()
    (temporary / "apphub-work-gone").mkdir()
    (workplaces_directory() / "probe-kept").mkdir()
    (workplaces_directory() / "work-gone").mkdir()
    remove_abandoned_workplaces()
    left = {path.name for path in temporary.iterdir()} - {workplaces_directory().name}
    assert sorted(left) == [
        *("apphub-run-old", "apphub-work-file", "apphub-work-link", "elsewhere")
    ]
    assert [path.name for path in workplaces_directory().iterdir()] == ["probe-kept"]
    assert (elsewhere / "kept").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_another_users_workplace_is_left_alone_even_by_root(temporary: Path) -> None:
    for theirs in (temporary / "apphub-work-theirs", workplaces_directory() / "work-theirs"):
        theirs.mkdir()
        os.chown(theirs, 65_534, 65_534)
        remove_abandoned_workplaces()
        assert theirs.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_nobody_works_where_others_can_look(temporary: Path) -> None:
    for spoil in (
        lambda path: os.chown(path, 65_534, 65_534),
        lambda path: path.chmod(0o755),
        lambda path: (path.rmdir(), path.symlink_to(temporary)),
    ):
        directory = workplaces_directory()
        spoil(directory)
        with pytest.raises(PermissionError, match="or set TMPDIR"):
            Workplace()
        directory.unlink() if directory.is_symlink() else directory.rmdir()


def test_a_workplace_goes_with_its_owner(temporary: Path) -> None:
    workplace = Workplace()
    (workplace.new_directory() / "file").touch()
    workplace.close()
    assert list(workplaces_directory().iterdir()) == []


def test_directories_deeper_than_python_follows_are_removed(temporary: Path) -> None:
    workplace = Workplace()
    here = os.open(workplace.new_directory(), os.O_RDONLY)
    for _ in range(1_500):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    workplace.close()
    assert list(workplaces_directory().iterdir()) == []


def test_a_workplace_that_a_cleaner_took_away_is_replaced(temporary: Path) -> None:
    workplace = Workplace()
    workplace.new_directory().rmdir()
    [taken] = workplaces_directory().iterdir()
    taken.rmdir()
    directory = workplace.new_directory()
    remove_abandoned_workplaces()
    assert directory.exists()
    workplace.close()
    assert list(workplaces_directory().iterdir()) == []


def test_sweeping_never_takes_a_workplace_that_is_being_made(temporary: Path) -> None:
    over = Event()

    def sweep_on() -> int:
        count = 0
        while not over.is_set():
            remove_abandoned_workplaces()
            count += 1
        return count

    with ThreadPoolExecutor(3) as sweepers:
        sweeping = [sweepers.submit(sweep_on) for _ in range(3)]
        try:
            for _ in range(500):
                workplace = Workplace()
                directory = workplace.new_directory()
                remove_abandoned_workplaces()
                assert directory.exists()
                workplace.close()
        finally:
            over.set()
        assert all(sweeper.result() > 0 for sweeper in sweeping)
    assert list(workplaces_directory().iterdir()) == []
