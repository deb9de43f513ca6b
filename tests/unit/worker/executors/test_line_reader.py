"""Lines come through whole, however they were cut on their way."""

import pytest

from worker.executors.local.slot import LineReader


class Heard:
    """What a reader called back with."""

    def __init__(self, limit_bytes: int = 100) -> None:
        self.lines: list[bytes | None] = []
        self.ended = 0
        self.reader = LineReader(limit_bytes, self.lines.append, self._end)

    def _end(self) -> None:
        self.ended += 1


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_lines_are_whole_however_they_are_cut(size: int) -> None:
    heard, sent = Heard(), b"one\n\nthree and more\nlast\nno line"
    for start in range(0, len(sent), size):
        heard.reader.data_received(sent[start : start + size])
    heard.reader.connection_lost(None)
    assert heard.lines == [b"one", b"", b"three and more", b"last"]
    assert heard.ended == 1


@pytest.mark.parametrize("size", [1, 4, 50])
def test_a_line_that_is_too_long_is_told_once_and_skipped(size: int) -> None:
    heard, sent = Heard(limit_bytes=10), b"0123456789\n" + b"x" * 11 + b"\nmore\n"
    for start in range(0, len(sent), size):
        heard.reader.data_received(sent[start : start + size])
    heard.reader.connection_lost(None)
    assert heard.lines == [b"0123456789", None, b"more"]
    assert heard.ended == 1
