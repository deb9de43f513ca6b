"""Ends a command with a message if standard output cannot be written, as to a full disk.

It is apart from `terminal.py`, whose tables processes of the service do not need.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper

from cli.options import failure


class OutputLostError(OSError):
    """Standard output cannot be written."""


class _Output(TextIOWrapper):
    """Standard output whose errors differ from those of other files."""

    def write(self, text: str) -> int:
        """Write a text."""
        try:
            return super().write(text)
        except OSError as error:
            raise _output_error(error) from None

    def flush(self) -> None:
        """Write what is buffered."""
        try:
            super().flush()
        except OSError as error:
            raise _output_error(error) from None


@contextmanager
def report_lost_output() -> Iterator[None]:
    """End the command with a message if standard output cannot be written."""
    if isinstance(sys.stdout, TextIOWrapper):  # None if it was closed at the start.
        sys.stdout = _wrap(sys.stdout)
    try:
        yield
    except OutputLostError as error:
        _drop_output()
        message = f"standard output cannot be written: {error.strerror}"
        raise SystemExit(failure(message).exit_code) from None


def _wrap(stream: TextIOWrapper) -> _Output:
    buffering = 0 if stream.write_through else -1
    return _Output(
        os.fdopen(stream.fileno(), "wb", buffering=buffering, closefd=False),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _output_error(error: OSError) -> OSError:
    if isinstance(error, BrokenPipeError):
        return error  # The reader has exited, as in `| head`: that is no failure.
    return OutputLostError(error.errno, error.strerror)


def _drop_output() -> None:
    """Discard what is buffered, which the interpreter would write at its exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
