"""A slot's pipes are closed, and once: then, their numbers may be somebody else's files."""

import asyncio
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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


@pytest.mark.parametrize("left", [0, 2, 4, 6, 8, 10])
async def test_a_slot_for_which_there_is_no_room_leaves_nothing_open(
    tmp_path: Path, left: int
) -> None:
    warm = tmp_path / "warm"  # What is opened once for all is open then.
    warm.mkdir()
    await (await slots.start_slot(BUILTIN, warm, None)).discard()
    workdir = tmp_path / "slot"
    workdir.mkdir()
    before = _open_ones()
    with _room_for(left), pytest.raises(OSError, match="Too many open files"):
        await slots.start_slot(BUILTIN, workdir, None)
    assert _open_ones() == before
    assert not workdir.exists()


@pytest.mark.parametrize("connecting", ["connect_read_pipe", "connect_write_pipe"])
async def test_a_start_that_is_cancelled_at_its_end_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connecting: str
) -> None:
    loop = asyncio.get_running_loop()
    warm = tmp_path / "warm"
    warm.mkdir()
    await (await slots.start_slot(BUILTIN, warm, None)).discard()
    before = _open_ones()
    workdir = tmp_path / "slot"
    workdir.mkdir()
    starting = asyncio.create_task(slots.start_slot(BUILTIN, workdir, None))
    connect = getattr(loop, connecting)

    async def connect_meanwhile(make: object, pipe: object) -> object:
        if asyncio.current_task() is starting:
            starting.cancel()
        return await connect(make, pipe)

    monkeypatch.setattr(loop, connecting, connect_meanwhile)
    with pytest.raises(asyncio.CancelledError):
        await starting
    async with asyncio.timeout(90):
        while workdir.exists() or _open_ones() != before:
            await asyncio.sleep(0.01)


@contextmanager
def _room_for(left: int) -> Iterator[None]:
    """Let this process open so many files, and no more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(_open_ones())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + left + 1, hard))
    taken = _taken()
    for number in taken[:left]:
        os.close(number)
    try:
        yield
    finally:
        for number in taken[left:]:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _taken() -> list[int]:
    """Open all that can be opened."""
    taken: list[int] = []
    with suppress(OSError):
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    return taken


def _open_ones() -> set[int]:
    return {int(name) for name in os.listdir("/proc/self/fd")}  # noqa: PTH208
