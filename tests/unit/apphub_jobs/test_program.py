"""The program of a handlers' process: what it does with signals."""

import os
import signal
from collections.abc import Iterator

import pytest

from apphub_jobs.process import program


@pytest.fixture
def cancels() -> Iterator[program.CancelListener]:
    """Give a listener of SIGTERM; afterwards the signal has its handler back."""
    before = signal.getsignal(signal.SIGTERM)
    yield program.CancelListener()
    signal.signal(signal.SIGTERM, before)


def test_a_cancel_is_for_the_current_attempt(cancels: program.CancelListener) -> None:
    send_sigterm()  # The listener has not started.
    cancels.listen()
    send_sigterm()
    first = cancels.begin()
    assert not first.is_set()
    cancels.end()
    send_sigterm()
    second = cancels.begin()
    assert not first.is_set()
    assert not second.is_set()
    send_sigterm()
    assert second.is_set()
    assert not first.is_set()


def send_sigterm() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


class EnoughError(Exception):
    """The test has seen enough."""


def test_an_unfit_process_waits_to_be_killed_whatever_signals_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signals = iter(["one", "another"])

    def pause() -> None:
        if next(signals, None) is None:
            raise EnoughError

    monkeypatch.setattr(signal, "pause", pause)
    with pytest.raises(EnoughError):
        program.wait_forever()
