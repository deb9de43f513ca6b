"""Runs a builder in a network of its own, from which this machine itself cannot be reached.

`slirp4netns` leads from it to all other places, with a name server of its own. It ends with this
program, which ends with the builder. Run by root, or by root of a user namespace, isolated and
without site-packages. Arguments: a directory for its files, and the command.
"""

import ctypes
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

PROGRAM = "slirp4netns"

NAME_SERVER = "10.0.2.3"
"""The address of slirp4netns's name server, which forwards to those of this machine."""

FAILED = 125
"""This program's exit code where there is no such network."""

# The executor has some of these, too; built-in handlers know nothing of it.
_CLONE_NEWNS = 0x0002_0000
_CLONE_NEWNET = 0x4000_0000

_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_PRIVATE = 0x4_0000
_PR_SET_PDEATHSIG = 1

_NAMES = "/etc/resolv.conf"

_LOG = "slirp4netns.log"
"""A file in the directory with the output of slirp4netns: the reason if it fails."""

_OPTIONS = ("--configure", "--mtu=65520", "--disable-host-loopback")


def network_command(work: Path, command: list[str]) -> list[str]:
    """Return the command that runs another one in such a network."""
    return [sys.executable, "-I", "-S", __file__, str(work), *command]


def main() -> None:
    """Run the command, and end as it does."""
    directory = Path(sys.argv[1])
    command = sys.argv[2:]
    joined_pipe, joined_end = os.pipe()
    route_pipe, route_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        # Else it would wait for itself if the network is not connected.
        os.close(joined_pipe)
        os.close(route_end)
        _run_in_network(command, directory, joined_end, route_pipe)
    os.close(joined_end)
    os.close(route_pipe)
    if os.read(joined_pipe, 1):
        _connect_network(pid, directory / _LOG, route_end)
    os.close(route_end)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        with suppress(OSError):  # SIGKILL has no handler.
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def _run_in_network(
    command: list[str], directory: Path, joined_end: int, route_pipe: int
) -> NoReturn:
    """Enter a network of its own, wait until it is connected, and run the command."""
    try:
        _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL)
        _call("unshare", _CLONE_NEWNET | _CLONE_NEWNS)
        os.write(joined_end, b"\n")
        if os.read(route_pipe, 1):
            _name_servers(directory)
            os.execvp(command[0], command)  # noqa: S606 - a builder that the operator installed
        reason = _one_line(directory / _LOG)
        message = f"{PROGRAM} does not lead out of the build's own network{reason}"
    except OSError as error:
        message = f"no network of its own for the build: {error}"
    print(f"error: {message}", file=sys.stderr, flush=True)  # noqa: T201 - the run's log
    os._exit(FAILED)


def _name_servers(directory: Path) -> None:
    """Let names be resolved there: the machine's own name server may listen on it alone."""
    ours = directory / "resolv.conf"
    ours.write_text(f"nameserver {NAME_SERVER}\n")
    _call("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
    # If it is a link, what it leads to.
    target = os.path.realpath(_NAMES)
    if os.path.exists(target):  # noqa: PTH110
        _call("mount", bytes(ours), os.fsencode(target), None, _MS_BIND, None)


def _one_line(log: Path) -> str:
    """Return the lines of a log behind colons; empty without any."""
    with suppress(OSError):
        lines = map(str.strip, log.read_text(errors="replace").splitlines())
        return "".join(f": {line}" for line in lines if line)
    return ""


def _connect_network(pid: int, log: Path, route_end: int) -> None:
    """Start slirp4netns for the process's network; write to the pipe once it is connected."""
    ready_pipe, ready_end = os.pipe()
    command = [PROGRAM, *_OPTIONS, f"--ready-fd={ready_end}", str(pid), "tap0"]
    with log.open("w") as printed:
        try:
            subprocess.Popen(  # noqa: S603 - the operator installed it
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=printed,
                pass_fds=(ready_end,),
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - there are no threads
            )
        except OSError as error:
            printed.write(str(error))
    os.close(ready_end)
    if os.read(ready_pipe, 1):
        os.write(route_end, b"\n")


def _end_with_parent() -> None:
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL)


def _call(name: str, *arguments: object) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library[name](*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


if __name__ == "__main__":
    main()
