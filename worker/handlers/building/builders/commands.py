"""Runs builders' commands: they print as they work, and end when the run is canceled."""

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from apphub_jobs.contract import JobRunContext
from worker.handlers.building.builders.advice import advice_for
from worker.handlers.building.builders.builder import BuildCanceledError, BuildError
from worker.handlers.untrusted.texts import plain

POLL_S = 0.1

END_GRACE_S = 2.0
"""From asking a builder to end to killing it; below a worker's own grace time."""

CHUNK_BYTES = 65_536

TAIL_BYTES = 32_768
"""What is searched for the reason of a failure."""

QUESTION_TIMEOUT_S = 20.0

LAST_LINES = 3
"""Among these is a builder's own complaint; what stands before them is the output of the
Dockerfile's steps."""

_COMPLAINT = re.compile(r"^(?:error|fatal)\b[: ]*", re.IGNORECASE)

MAX_MESSAGE_LENGTH = 1_000


def show(
    context: JobRunContext,
    command: Sequence[str],
    environment: Mapping[str, str],
    name: str | None = None,
) -> None:
    """Run a command to its end; all that it prints is printed.

    Args:
        context: of the run.
        command: a program and its arguments.
        environment: all of it.
        name: what errors call it, where that is not the program.

    Raises:
        BuildError: it failed.
        BuildCanceledError: somebody asked to cancel; the command and its process group have ended.
    """
    process = subprocess.Popen(  # noqa: S603 - a builder that the operator installed, without a shell
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        start_new_session=True,
    )
    output = _Output(process)
    with process:
        try:
            _attend(context, process, output)
        except BaseException:
            _end(process)  # Else leaving would wait for it.
            raise
    if process.returncode != 0:
        program = name or command[0]
        why = failure(program, process.returncode, output.tail)
        raise BuildError(why)


def _attend(
    context: JobRunContext, process: "subprocess.Popen[bytes]", output: "_Output"
) -> None:
    while process.poll() is None:
        output.pass_on(POLL_S)
        if context.cancelled.is_set():
            raise BuildCanceledError
    # What a step left in the background may hold the pipe: its end would come with the attempt's.
    while output.pass_on(0):
        pass


def ask(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return what a command prints that answers at once.

    Raises:
        BuildError: it failed, or does not answer.
    """
    try:
        answer = subprocess.run(  # noqa: S603 - as above
            list(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=dict(environment),
            timeout=QUESTION_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        message = f"{command[0]} does not answer"
        raise BuildError(message) from None
    if answer.returncode != 0:
        raise BuildError(
            failure(command[0], answer.returncode, answer.stdout + answer.stderr)
        )
    return answer.stdout.decode("utf-8", "replace").strip()


def failure(program: str, code: int, output: bytes) -> str:
    """Return one line that says why a command failed, and what helps where that is known."""
    lines = _printed_lines(output)
    said = _last_complaint(lines[-LAST_LINES:])
    if code < 0:
        ended = f"ended by {signal.Signals(-code).name}"
        said = f"{ended}: {said}" if said else ended
    why = _COMPLAINT.sub("", said) or f"exit code {code}"
    message = f"{program}: {why}"
    parts = [message[:MAX_MESSAGE_LENGTH], *advice_for(lines)]
    return "; ".join(parts)


def _printed_lines(output: bytes) -> list[str]:
    lines: list[str] = []
    for line in output.decode("utf-8", "replace").splitlines():
        text = plain(line).strip()
        if text:
            lines.append(text)
    return lines


def _last_complaint(lines: Sequence[str]) -> str:
    """Return the last line that complains, else the last one."""
    for line in reversed(lines):
        if _COMPLAINT.match(line):
            return line
    if not lines:
        return ""
    return lines[-1]


class _Output:
    """A running command's output."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._open = True
        self.tail = b""

    def pass_on(self, timeout_s: float) -> bool:
        """Print what is there, or comes within this time; return whether anything was."""
        pipe = self._process.stdout
        if pipe is None or not self._open:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_s)
            return False
        readable, _, _ = select.select([pipe], [], [], timeout_s)
        if not readable:
            return False
        chunk = os.read(pipe.fileno(), CHUNK_BYTES)
        self._open = bool(chunk)
        self.tail = (self.tail + chunk)[-TAIL_BYTES:]
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        return self._open


def _end(process: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_GRACE_S)
            return
