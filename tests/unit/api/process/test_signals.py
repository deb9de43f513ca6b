"""What asks a process to stop."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import FrameType

import pytest

from cli.process.signals import stop_signals

IGNORES = """
import os, signal

class Ignoring:
    def __del__(self):  # Python ignores what is raised here.
        os.kill(os.getpid(), signal.SIGTERM)
        self.goes = "on"

def ignore(names=()):
    Ignoring()
    print("goes on", flush=True)

"""
"""A signal comes where no exception gets out."""

IMPORTS = """
from cli import main

main.add_commands_for = ignore
main.app = ignore
main.main()
"""

STARTS = """
from cli.process import signals

async def main(stop_signals):
    print("starts", flush=True)

signals.exit_on_signals()
ignore()
signals.run_until_stopped(main)
"""

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


def test_a_signal_during_imports_is_not_lost() -> None:
    assert _end_of(IMPORTS) == (128 + signal.SIGTERM, "", "")


def test_a_process_does_not_start_after_a_signal_whose_exception_got_lost() -> None:
    code, printed, errors = _end_of(STARTS)
    assert (code, printed) == (0, "goes on\n")
    assert "SystemExit: 143" in errors


def _end_of(program: str) -> tuple[int, str, str]:
    """Return how a program ends, and what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", IGNORES + program],
        check=False,
        capture_output=True,
        text=True,
        timeout=90,
    )
    return done.returncode, done.stdout, done.stderr
