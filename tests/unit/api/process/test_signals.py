"""What asks a process to stop."""

import signal
from collections.abc import Callable, Iterator
from types import FrameType

import pytest

from cli.process.signals import stop_signals

Handler = Callable[[int, FrameType | None], object] | int | None


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Put back what heard the end of the terminal."""
    before: Handler = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


def test_the_end_of_the_terminal_asks_to_stop() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    assert stop_signals() == [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def test_under_nohup_it_does_not() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert stop_signals() == [signal.SIGINT, signal.SIGTERM]
