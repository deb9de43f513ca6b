"""The process of a test service, from its start to its end."""

import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

READY = "ready "
"""What the line begins with that tells the address."""

STOP_S = 60.0

TOLD_LINES = 20


class ServiceError(RuntimeError):
    """The service did not start; the message has what it said."""


@contextmanager
def running(directory: Path, handlers: Sequence[str]) -> Iterator[str]:
    """Run a service, and give its address. It ends with this process, however that ends.

    Raises:
        ServiceError: it did not start.
    """
    lifeline, held = os.pipe()
    log = directory / "service.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603 - the service's own program
            _command(directory, handlers),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            pass_fds=(lifeline,),
            env=_environment(lifeline),
            start_new_session=True,
        )
    os.close(lifeline)
    try:
        yield _address(process, log)
    finally:
        os.close(held)
        _end(process)


def _command(directory: Path, handlers: Sequence[str]) -> list[str]:
    command = [sys.executable, "-P", "-m", "apphub_jobs", "test-service"]
    command += ["--data-dir", str(directory / "data")]
    for module in handlers:
        command += ["--handlers", module]
    return command


def _environment(lifeline: int) -> dict[str, str]:
    """Let handlers find the modules that tests find."""
    own = [entry for entry in sys.path if entry and not _is_installed(entry)]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(own),
        "APPHUB_LIFELINE_FD": str(lifeline),
    }


_INSTALLED = [
    sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")
]
"""Where Python and this environment keep their packages."""


def _is_installed(entry: str) -> bool:
    return any(Path(entry).is_relative_to(place) for place in _INSTALLED)


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    for line in process.stdout or ():
        text = line.decode().strip()
        if text.startswith(READY):
            return text.removeprefix(READY)
    process.wait()
    lines = log.read_text(errors="replace").splitlines()
    told = "\n".join(lines[-TOLD_LINES:])
    msg = f"the test service ended with code {process.returncode}:\n{told}"
    raise ServiceError(msg)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Stop the service, and whatever it runs at once."""
    for _ in range(2):
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
