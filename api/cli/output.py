"""Standard output that takes nothing more, such as a file on a full disk."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper

from api.cli.options import failure


class OutputLostError(OSError):
    """What is printed cannot be written."""


class _Output(TextIOWrapper):
    """Standard output that tells its own failures apart from those of other files."""

    def write(self, text: str) -> int:
        """Write a text."""
        try:
            return super().write(text)
        except OSError as error:
            raise _told_apart(error) from None

    def flush(self) -> None:
        """Write what is left."""
        try:
            super().flush()
        except OSError as error:
            raise _told_apart(error) from None


@contextmanager
def told_where_output_is_lost() -> Iterator[None]:
    """End with one clear line where standard output cannot be written."""
    if isinstance(sys.stdout, TextIOWrapper):  # None where it was closed at the start.
        sys.stdout = _output(sys.stdout)
    try:
        yield
    except OutputLostError as error:
        _drop_output()
        message = f"standard output cannot be written: {error.strerror}"
        raise SystemExit(failure(message).exit_code) from None


def _output(given: TextIOWrapper) -> _Output:
    unbuffered = given.write_through
    descriptor = os.fdopen(
        given.fileno(), "wb", buffering=0 if unbuffered else -1, closefd=False
    )
    return _Output(
        descriptor,
        encoding=given.encoding,
        errors=given.errors,
        line_buffering=given.line_buffering,
        write_through=unbuffered,
    )


def _told_apart(error: OSError) -> OSError:
    if isinstance(error, BrokenPipeError):
        return error  # Who read it is gone, as in `| head`: that is no failure.
    return OutputLostError(error.errno, error.strerror)


def _drop_output() -> None:
    """Let what is left go nowhere: the interpreter writes it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
