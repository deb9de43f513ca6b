"""How the processes of a handler package are started: their command line and their environment."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from apphub_jobs.process.imports import SERVICE_PACKAGES, SERVICE_ROOT
from worker.executors.local.supervision import hiding
from worker.executors.local.supervision.masking import PROXIES
from worker.executors.packages import HandlerPackage

PROGRAM = "from apphub_jobs.process.program import main; main()"
SHARED_PROGRAM = "from apphub_jobs.process.shared.program import main; main()"
PROBE = "from apphub_jobs.process.probe import main; main()"

_ENVIRONMENT = (
    *("PATH", "LANG", "LANGUAGE", "TZ", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE"),
)
_ENVIRONMENT_PREFIXES = ("LC_", "SSL_CERT_", "GIT_SSL_")
"""What an attempt gets of the worker's environment: none of the service's settings or secrets."""

OWN_VARIABLES = ("HOME", "TMPDIR", "PYTHONUNBUFFERED")
"""What each attempt has to itself."""


OPENED_AT_START = 16
"""Descriptors that a start takes for a moment, and some more."""


def command_line(program: str, package: HandlerPackage) -> tuple[str, ...]:
    """Return what starts one of these programs for a package, before its further arguments."""
    # -P: the working directory is the run's, and no place to import from.
    # -c: imports the program as it is compiled already; -m imports much of its own before that.
    described = asdict(package)
    for name in ("hidden", "writable", "withheld", "pass_env"):
        del described[name]  # Nobody's business there.
    return (sys.executable, "-P", "-c", program, json.dumps(described))


def view_of(package: HandlerPackage, own: Path) -> dict[str, Any] | None:
    """Return how a process sees the file system that works below a directory of its own.

    It is None where the operator trusts the handlers, which then see all of it.
    """
    if not package.hidden:
        return None
    return {
        "hidden": list(package.hidden),
        "own": os.path.realpath(own),
        "writable": [*_temporary(), *package.writable],
        "fixed": _CODE,
        "withheld": list(package.withheld),
    }


def _temporary() -> list[str]:
    """Return where all users of this host may make files."""
    return [os.path.realpath(path) for path in (tempfile.gettempdir(), *_TEMPORARY)]


_TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue")  # noqa: S108 - nothing is made there

_CODE = [
    os.path.realpath(path)
    for path in (
        sys.prefix,
        sys.base_prefix,
        *(f"{SERVICE_ROOT}/{name}" for name in sorted(SERVICE_PACKAGES)),
        f"{SERVICE_ROOT}/apphub_jobs",
    )
]
"""What the service itself runs, and all that is installed with it."""


def seeing(package: HandlerPackage, own: Path) -> tuple[str, ...]:
    """Return what stands before a command that sees the file system as this package's handlers."""
    view = view_of(package, own)
    if view is None:
        return ()
    return (*_HIDING, json.dumps(view))


_HIDING = (sys.executable, "-I", "-S", hiding.__file__)


@dataclass(frozen=True)
class Confinement:
    """What this system lets a process do without.

    Attributes:
        hides: files that it is not to see.
        protects: the files of others, which it can only read.
    """

    hides: bool
    protects: bool


def possible_confinement() -> Confinement:
    """Return what this system lets a process have of a view of its own, by trying it."""
    view = {"hidden": [], "writable": _temporary()}
    trial = (*_HIDING, json.dumps(view))
    code = subprocess.run(trial, check=False).returncode  # noqa: S603 - a program of ours
    hides = code in {0, hiding.NOT_READ_ONLY}
    return Confinement(hides=hides, protects=code == 0)


class Cover:
    """What lies over the hidden files in a process that is started after this was made.

    What lies over a directory stays there. A file that is replaced comes out from under it, and
    what was not there yet was not covered. Once its own directory is removed, the process cannot
    see another one that is made in its place.
    """

    def __init__(self, hidden: Sequence[str], own: Path | None = None) -> None:
        self._own = own if hidden else None
        self._seen = {
            path: _file_at(path)
            for path in hidden
            if not os.path.isdir(path)  # noqa: PTH112 - a text is what there is
        }

    @property
    def holds(self) -> bool:
        """Return whether nothing has come out, and the process has its directory."""
        if self._own is not None and not self._own.exists():
            return False
        return all(_file_at(path) == seen for path, seen in self._seen.items())


def _file_at(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    # The time, too: a new file may get the number of one that was removed.
    return found.st_dev, found.st_ino, found.st_ctime_ns


def environment(workdir: Path, package: HandlerPackage) -> dict[str, str]:
    """Return the variables of a process that works below this directory.

    Proxies are for the operator's handlers: those that are built in go no way that was not checked.
    """
    named = {*package.pass_env}
    if not package.shown:
        named.update(PROXIES)
    variables = {
        name: value
        for name, value in os.environ.items()
        if name in named or is_passed_on(name)
    }
    path = variables.get("PYTHONPATH")
    if path is not None:
        variables["PYTHONPATH"] = _from_the_root(path)
    directory = str(workdir)
    variables.update(HOME=directory, TMPDIR=directory, PYTHONUNBUFFERED="1")
    return variables


def is_passed_on(name: str) -> bool:
    """Return whether a process that is none of the service's may know this variable."""
    return name in _ENVIRONMENT or name.startswith(_ENVIRONMENT_PREFIXES)


def _from_the_root(path: str) -> str:
    """Return a search path that holds wherever a process works."""
    entries = path.split(os.pathsep)
    from_the_root = [os.path.abspath(entry) for entry in entries]  # noqa: PTH100 - links stay
    return os.pathsep.join(from_the_root)


def pipes() -> tuple[int, int, int, int]:
    """Return the ends of two pipes, each to be read and to be written."""
    first = os.pipe()
    try:
        second = os.pipe()
    except OSError:
        for descriptor in first:
            os.close(descriptor)
        raise
    return *first, *second


def require_room(descriptor: int) -> None:
    """Raise OSError where there is no room for all that a start opens.

    uvloop leaves open for good what it has opened by the time that it finds none.
    """
    opened: list[int] = []
    try:
        for _ in range(OPENED_AT_START):
            opened.append(os.dup(descriptor))  # noqa: PERF401 - to be closed if another one fails
    finally:
        for number in opened:
            os.close(number)
