"""An attempt's log tells what it lacks, and never fails."""

import _thread
import re
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from random import Random

import pytest

from tests.support.disks import small_disk
from worker.executors.local.log import ERROR_MARK, STDERR, STDOUT, Log, LogWriter, OutputStreams

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z "


def test_what_a_full_disk_did_not_take_is_told_once_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, "size=64k"):
        filler, path = disk / "filler", disk / "log"
        log = Log(str(path), 1_000_000)
        log.add((b"first\n", STDOUT))
        with pytest.raises(OSError, match="No space left"):
            filler.write_bytes(bytes(64 * 1_024))
        log.add((b"x" * 10_000 + b"\n", STDOUT))
        before = path.stat().st_size
        assert log.lost > 10_000 - 4_096
        lost = log.lost
        log.add((b"lost as a whole\n", STDOUT))
        lost += len("2026-01-01T00:00:00.000Z lost as a whole\n")
        assert log.lost == lost
        filler.unlink()
        log.add((b"last\n", STDOUT))
        log.close()
        assert log.lost == 0
        kept, after_it = (path.read_bytes()[:before].decode(), path.read_bytes()[before:].decode())
        assert re.fullmatch(rf"{STAMP}first\n{STAMP}x+", kept)
        assert re.fullmatch(rf"\n\[{lost} bytes could not be written\]\n{STAMP}last\n", after_it)


def test_a_log_whose_end_finds_room_tells_then_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    log = Log(str(tmp_path / "taken" / "log"), 1_000_000)
    log.add((b"lost\n", STDOUT))
    (tmp_path / "taken").unlink()
    log.close()
    assert (tmp_path / "taken" / "log").read_text() == "[30 bytes could not be written]\n"


def test_a_line_has_one_stream_and_says_which(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"), 1_000_000)
    log.add((b"half", STDOUT), (b"error\nno end", STDERR))
    log.add((b"", STDERR), (b" a line\n", STDOUT))
    log.close()
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line[23:] for line in lines] == ["Z half", "z error", "z no end", "Z  a line"]


def test_streams_are_told_apart_wherever_their_bytes_are_cut() -> None:
    random = Random(29)
    for _ in range(2_000):
        printed = [(random.choice((STDOUT, STDERR)), _some_bytes(random)) for _ in range(6)]
        content = b"".join(_framed(part) if one == STDERR else part for one, part in printed)
        streams = OutputStreams()
        parts: list[tuple[int, bytes]] = []
        while content:
            size = random.randint(1, 12)
            parts += [(stream, part) for part, stream in streams.split(content[:size])]
            content = content[size:]
        parts.append((STDOUT, streams.flush()))
        assert _joined(parts) == _joined(printed)


def _some_bytes(random: Random) -> bytes:
    """Return bytes as the mark has them, and others."""
    return bytes(random.choice(b"a\n\x00\x1fst") for _ in range(random.randrange(6)))


def _framed(part: bytes) -> bytes:
    return ERROR_MARK + len(part).to_bytes(2, "big") + part


def _joined(parts: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Return the parts, with those of one stream that follow each other in one."""
    of_streams = groupby([part for part in parts if part[1]], key=itemgetter(0))
    return [(stream, b"".join(content for _, content in some)) for stream, some in of_streams]


@pytest.mark.parametrize("path", ["/dev/full", "/proc/nowhere/log"])
def test_a_log_that_can_never_be_written_only_counts(path: str) -> None:
    log = Log(path, 100)
    for _ in range(3):
        log.add((b"x" * 99 + b"\n", STDOUT))
    log.close()
    # What is beyond the limit was not to be kept anyway; that this is so could not be written
    # either.
    assert log.lost > 100


@pytest.mark.parametrize("has_threads", [True, False])
def test_a_log_is_whole_once_it_is_closed_whoever_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_threads: bool
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    if not has_threads:
        monkeypatch.setattr(_thread, "start_new_thread", refuse)
    writer = LogWriter(str(tmp_path / "log"), 1_000_000)
    for number in range(100):
        writer.add((b"line %d\n" % number, STDOUT))
    assert writer.close() == 0
    assert writer.has_capacity
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == [f"line {number}" for number in range(100)]
