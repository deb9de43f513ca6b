"""An attempt's log tells what it lacks, and never fails."""

import re
from pathlib import Path

import pytest

from tests.support.disks import small_disk
from worker.executors.local.supervision.attempt_log import Log

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z "


def test_what_a_full_disk_did_not_take_is_told_once_there_is_room(
    tmp_path: Path,
) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, "size=64k"):
        filler, path = disk / "filler", disk / "log"
        log = Log(str(path), 1_000_000)
        log.add(b"first\n")
        with pytest.raises(OSError, match="No space left"):
            filler.write_bytes(bytes(64 * 1_024))
        log.add(b"x" * 10_000 + b"\n")
        before = path.stat().st_size
        assert log.lost > 10_000 - 4_096
        lost = log.lost
        log.add(b"lost as a whole\n")
        lost += len("2026-01-01T00:00:00.000Z lost as a whole\n")
        assert log.lost == lost
        filler.unlink()
        log.add(b"last\n")
        log.close()
        assert log.lost == 0
        kept, told = (
            path.read_bytes()[:before].decode(),
            path.read_bytes()[before:].decode(),
        )
        assert re.fullmatch(rf"{STAMP}first\n{STAMP}x+", kept)
        assert re.fullmatch(
            rf"\n\[{lost} bytes could not be written\]\n{STAMP}last\n", told
        )


def test_a_log_whose_end_finds_room_tells_then_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    log = Log(str(tmp_path / "taken" / "log"), 1_000_000)
    log.add(b"lost\n")
    (tmp_path / "taken").unlink()
    log.close()
    assert (
        tmp_path / "taken" / "log"
    ).read_text() == "[30 bytes could not be written]\n"


@pytest.mark.parametrize("path", ["/dev/full", "/proc/nowhere/log"])
def test_a_log_that_can_never_be_written_only_counts(path: str) -> None:
    log = Log(path, 100)
    for _ in range(3):
        log.add(b"x" * 99 + b"\n")
    log.close()
    # What is beyond the limit was not to be kept anyway; that this is so could not be written
    # either.
    assert log.lost > 100
