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
from typing import IO, TextIO

from apphub_jobs.contract import Handler, JobResult, JobRunContext

TAIL_LINES = 5
TAIL_CHARACTERS = 1_000
"""So much of what a command printed last on its standard error stands in the run's `errorMessage`;
all of it is in the log."""

PIECE_BYTES = 65_536
"""A longer line of standard error is passed on in pieces: it may never end."""

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
        return JobResult(result=_parsed(last))

    return execute


def _converse(
    context: JobRunContext, process: "subprocess.Popen[bytes]", complaints: deque[bytes]
) -> bytes:
    """Give the parameters, pass on what is printed line by line, and return the last line."""
    complaining = threading.Thread(
        target=_pass_on,
        args=(process.stderr, sys.stderr, complaints, PIECE_BYTES),
        daemon=True,
    )
    complaining.start()
    threading.Thread(
        target=_stop_when_cancelled, args=(context, process), daemon=True
    ).start()
    threading.Thread(target=_give, args=(context, process), daemon=True).start()
    last: deque[bytes] = deque(maxlen=1)
    _pass_on(process.stdout, sys.stdout, last)
    process.wait()
    complaining.join(LAST_WORDS_S)
    return b"".join(last)


def _pass_on(
    output: IO[bytes] | None,
    stream: TextIO,
    last_lines: deque[bytes],
    longest: int = -1,
) -> None:
    while output is not None and (line := output.readline(longest)):
        stream.buffer.write(line)
        stream.buffer.flush()
        last_lines.append(line)


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
    except ValueError:
        return None
