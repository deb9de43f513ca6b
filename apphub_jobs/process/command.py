"""`command.NAME`: runs a command line that the operator declared, in any language.

The program reads the parameters as JSON on its standard input. What it prints goes to the run's
log; the last line of its standard output, if it is JSON, is the result. Another exit code than 0
fails the attempt.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

from apphub_jobs.contract import Handler, JobResult, JobRunContext


def command_handler(argv: Sequence[str]) -> Handler:
    """Return a handler that runs this command line; no request can change it."""

    def execute(context: JobRunContext) -> JobResult:
        process = subprocess.Popen(  # noqa: S603 - the operator's own command, without a shell
            list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        last = _converse(context, process)
        if context.cancelled.is_set():
            return JobResult(status="canceled", error_message="the command was stopped")
        if process.returncode != 0:
            return JobResult(
                status="failed",
                error_message=f"{argv[0]} ended with exit code {process.returncode}",
            )
        return JobResult(result=_parsed(last))

    return execute


def _converse(context: JobRunContext, process: "subprocess.Popen[bytes]") -> bytes:
    """Give the parameters, pass on what is printed line by line, and return the last line."""
    threading.Thread(
        target=_stop_when_cancelled, args=(context, process), daemon=True
    ).start()
    threading.Thread(target=_give, args=(context, process), daemon=True).start()
    last = b""
    for line in process.stdout or ():
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
        last = line
    process.wait()
    return last


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
