"""Lines of one stream are selected from a log that comes in any pieces."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from worker.logs.run_logs import Stream, StreamFilter

TIME = b"2026-12-01T09:00:00.000"
OUT = (TIME + b"Z one\n", TIME + b"Z two\r again\n", TIME + b"Z no end")
ERRORS = (TIME + b"z wrong\n", TIME + b"z " + b"e" * 200 + b"\n")
NOTE = b"left out: 9 bytes\n"
LOG = OUT[0] + ERRORS[0] + NOTE + ERRORS[1] + OUT[1] + OUT[2]

SELECTED: dict[Stream, bytes] = {
    "stdout": OUT[0] + NOTE + OUT[1] + OUT[2],
    "stderr": ERRORS[0] + NOTE + ERRORS[1],
}


@given(st.sampled_from(sorted(SELECTED)), st.sets(st.integers(0, len(LOG))))
def test_lines_of_a_stream_are_selected_wherever_a_log_is_cut(
    stream: Stream, cuts: set[int]
) -> None:
    lines = StreamFilter(stream)
    bounds = [0, *sorted(cuts), len(LOG)]
    pieces = [LOG[start:end] for start, end in pairwise(bounds)]
    assert b"".join([*map(lines.add, pieces), lines.flush()]) == SELECTED[stream]


def test_a_line_is_shown_before_its_end() -> None:
    lines = StreamFilter("stderr")
    assert lines.add(TIME + b"z half") == TIME + b"z half"
    assert lines.add(b" and half\n" + OUT[2]) == b" and half\n"
