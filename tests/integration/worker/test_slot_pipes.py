"""A slot's pipes are closed, and once: then, their numbers may be somebody else's files."""

import os
import resource
from contextlib import suppress
from io import FileIO
from pathlib import Path

import pytest

from worker.executors.local import slot as slots
from worker.executors.packages import BUILTIN

TAKEN: list[int] = []


class Pipe(FileIO):
    """Where its number is free as it is closed, another file takes that in the last moment."""

    def close(self) -> None:
        if not self.closed and _is_free(self.fileno()):
            TAKEN.append(_take(self.fileno()))
        super().close()


def _is_free(number: int) -> bool:
    with suppress(OSError):
        os.fstat(number)
        return False
    return True


def _take(number: int) -> int:
    other = os.open(os.devnull, os.O_RDONLY)
    if other != number:
        os.dup2(other, number)
        os.close(other)
    return number


async def test_the_end_of_a_slot_closes_no_file_of_somebody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fdopen(number: int, mode: str, *, buffering: int, closefd: bool = True) -> Pipe:
        assert buffering == 0
        return Pipe(number, mode, closefd=closefd)

    workdir = tmp_path / "slot"
    workdir.mkdir()
    monkeypatch.setattr(os, "fdopen", fdopen)
    slot = await slots.start_slot(BUILTIN, workdir, None)
    await slot.discard()
    assert len(TAKEN) == 2
    for number in TAKEN:
        os.close(number)  # Raises if it has been closed.


async def test_a_slot_for_which_there_is_no_room_leaves_nothing_open(
    tmp_path: Path,
) -> None:
    workdir = tmp_path / "slot"
    workdir.mkdir()
    await _refused(tmp_path / "warm")  # What is opened once for all is open by now.
    for _ in range(3):
        workdir.mkdir(exist_ok=True)
        before = _open_ones()
        await _refused(workdir)
        assert _open_ones() == before
        assert not workdir.exists()


async def _refused(workdir: Path) -> None:
    """Fail to start a slot for want of descriptors: there are enough for one pipe."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(_open_ones())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
    taken = _take_all_but(2)
    try:
        with pytest.raises(OSError, match="Too many open files"):
            await slots.start_slot(BUILTIN, workdir, None)
    finally:
        for number in taken:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _open_ones() -> set[int]:
    return {int(name) for name in os.listdir("/proc/self/fd")}  # noqa: PTH208


def _take_all_but(left: int) -> list[int]:
    taken: list[int] = []
    with suppress(OSError):
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    for _ in range(left):
        os.close(taken.pop())
    return taken
