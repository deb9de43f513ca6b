"""A slot's pipes are closed once: a second time, their numbers may be somebody else's files."""

import os
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
