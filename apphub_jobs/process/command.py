"""`command.NAME`: runs a command line that the operator declared, in any language.

The program reads the parameters as JSON on its standard input. What it prints goes to the run's
log; the last line of its standard output, if it is JSON, is the result. Another exit code than 0
fails the attempt, with the last lines of its standard error as the reason.
"""

import json
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Protocol, TextIO

from apphub_jobs.contract import Handler, JobResult, JobRunContext

TAIL_LINES = 5
TAIL_CHARACTERS = 1_000
"""So much of what a command printed last on its standard error stands in the run's `errorMessage`;
all of it is in the log."""

PIECE_BYTES = 65_536
"""A longer line is passed on in pieces: it may never end."""

RESULT_BYTES = 8 * 1_048_576
"""The longest last line that is looked at: above the service's limit of a result."""

LAST_WORDS_S = 1.0
"""How long a daemon that the command has left may hold its standard error open."""


def command_handler(argv: Sequence[str]) -> Handler:
    """Return a handler that runs this command line; no request can change it."""

    def execute(context: JobRunContext) -> JobResult:
        process = subprocess.Popen(  # noqa: S603 - the operator's own command, without a shell
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        complaints: deque[bytes] = deque(maxlen=TAIL_LINES)
        last = _converse(context, process, complaints)
        if context.cancelled.is_set():
            return JobResult(status="canceled", error_message="the command was stopped")
        if process.returncode != 0:
            why = _why(argv[0], process.returncode, complaints)
            return JobResult(status="failed", error_message=why)
        if last.is_endless_json:
            why = f"the last line is a result of more than {RESULT_BYTES} bytes"
            return JobResult(status="failed", error_message=why)
        return JobResult(result=_parsed(last.content))

    return execute


def _converse(
    context: JobRunContext, process: "subprocess.Popen[bytes]", complaints: deque[bytes]
) -> "_LastLine":
    """Give the parameters, pass on what is printed line by line, and return the last line."""
    complaining = threading.Thread(
        target=_pass_on,
        args=(process.stderr, sys.stderr, complaints),
        daemon=True,
    )
    complaining.start()
    threading.Thread(
        target=_stop_when_cancelled, args=(context, process), daemon=True
    ).start()
    threading.Thread(target=_give, args=(context, process), daemon=True).start()
    last = _LastLine()
    _pass_on(process.stdout, sys.stdout, last)
    process.wait()
    complaining.join(LAST_WORDS_S)
    return last


class _LastLine:
    """The last line of what is printed, as far as it may be a result."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size_bytes = 0
        self._is_over = False

    def append(self, piece: bytes) -> None:
        """Take the next piece of a line, or of the next line."""
        if self._is_over:
            self._pieces.clear()
            self._size_bytes = 0
        self._is_over = piece.endswith(b"\n")
        self._size_bytes += len(piece)
        if self._size_bytes <= RESULT_BYTES:
            self._pieces.append(piece)

    @property
    def content(self) -> bytes:
        """What there is of it."""
        return b"".join(self._pieces)

    @property
    def is_endless_json(self) -> bool:
        """Whether it is too long, and begins as a result does."""
        return self._size_bytes > RESULT_BYTES and self._pieces[0].startswith(_BEGINS)


_BEGINS = (b"{", b"[", b'"')


class _Pieces(Protocol):
    def append(self, piece: bytes, /) -> None:
        """Take the next piece."""


def _pass_on(output: IO[bytes] | None, stream: TextIO, pieces: _Pieces) -> None:
    while output is not None and (piece := output.readline(PIECE_BYTES)):
        stream.buffer.write(piece)
        stream.buffer.flush()
        pieces.append(piece)


def _why(program: str, code: int, complaints: deque[bytes]) -> str:
    ended = f"ended with exit code {code}"
    if code < 0:
        ended = f"was killed by signal {-code}"
    said = b"".join(complaints).decode(errors="replace").strip()
    if not said:
        return f"{program} {ended}"
    return f"{program} {ended}: {said[-TAIL_CHARACTERS:]}"


def _give(context: JobRunContext, process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        # A command need not read what it does not want.
        with suppress(BrokenPipeError), process.stdin:
            process.stdin.write(json.dumps(dict(context.parameters)).encode())


def _stop_when_cancelled(
    context: JobRunContext, process: "subprocess.Popen[bytes]"
) -> None:
    context.cancelled.wait()
    process.terminate()


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
