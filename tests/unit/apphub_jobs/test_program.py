"""The program of a handlers' process: what it does with signals."""

import os
import signal
from collections.abc import Iterator

import pytest

from apphub_jobs.process import program


@pytest.fixture
def cancels() -> Iterator[program.Cancels]:
    """Give what hears SIGTERM; afterwards it means again what it did."""
    before = signal.getsignal(signal.SIGTERM)
    yield program.Cancels()
    signal.signal(signal.SIGTERM, before)


def test_a_cancel_is_for_the_attempt_that_goes_on(cancels: program.Cancels) -> None:
    ask_to_stop()  # Nobody listens yet.
    cancels.listen()
    ask_to_stop()
    first = cancels.begin()
    assert not first.is_set()
    cancels.end()
    ask_to_stop()
    second = cancels.begin()
    assert not first.is_set()
    assert not second.is_set()
    ask_to_stop()
    assert second.is_set()
    assert not first.is_set()


def ask_to_stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


class EnoughError(Exception):
    """The test has seen enough."""


def test_a_process_that_is_to_be_ended_waits_for_that_whatever_else_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signals = iter(["one", "another"])

    def pause() -> None:
        if next(signals, None) is None:
            raise EnoughError

    monkeypatch.setattr(signal, "pause", pause)
    with pytest.raises(EnoughError):
        program.wait_for_ever()
