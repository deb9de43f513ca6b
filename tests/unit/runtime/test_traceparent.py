"""Which headers `traceparent` are read, by W3C's standard."""

import pytest

from runtime.traceparent import read_traceparent, trace_id_of

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ([GOOD], GOOD),
        ([f" {GOOD}\t"], GOOD),
        # What a later version adds is not known; its flags are, but for the first one.
        ([f"cc-{TRACE}-{SPAN}-0b-what-is-new"], GOOD),
        ([f"cc-{TRACE}-{SPAN}-00"], f"00-{TRACE}-{SPAN}-00"),
        ([], None),
        ([GOOD, GOOD], None),
        ([""], None),
        ([GOOD[:-1]], None),
        ([f"{GOOD}-more"], None),
        ([f"{GOOD}\n"], None),
        ([GOOD.upper()], None),
        ([f"ff-{TRACE}-{SPAN}-01"], None),
        ([f"cc-{TRACE}-{SPAN}-01x"], None),
        ([f"00-{'0' * 32}-{SPAN}-01"], None),
        ([f"00-{TRACE}-{'0' * 16}-01"], None),
    ],
)
def test_headers(sent: list[str], read: str | None) -> None:
    assert read_traceparent(sent) == read


def test_the_id_of_the_trace() -> None:
    assert trace_id_of(GOOD) == TRACE
