"""Where attempts work, and how the processes of their handlers are started.

First the removal of directories, then this process's directory for its attempts (`Workplace`), then
command lines, environment and view of the file system of a handler package's processes.

All workplaces of a user lie in one directory, which is hidden from handlers' processes whole: so
they see no other attempt's files, also none of a worker that starts later.

A killed worker cannot clean up, so the next one does it. A lock of the kernel on the directory
itself shows that its worker lives: held for as long as the worker lives, frozen or not, and
released with its process. Cleaners of temporary directories that know such locks (systemd's does)
leave it alone, too.
"""

import fcntl
import json
import logging
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from apphub_jobs.process.handlers import SERVICE_PACKAGES, SERVICE_ROOT
from worker.executors.local import hiding
from worker.executors.local.masking import PROXIES
from worker.executors.packages import HandlerPackage

# Removes the directories of attempts, whatever their handlers made of them.

logger = logging.getLogger(__name__)

_RM = ("rm", "-rf", "--")

_AS_OWNER = (("unshare", "--user", "--map-root-user", "--map-auto", "--"), ("buildah", "unshare"))
"""How an ordinary user removes files of the ids that are lent to him (subuid(5)), such as builders
of images leave."""

REMOVAL_TIMEOUT_S = 60.0


def remove(directory: Path) -> None:
    """Remove a directory with all that is in it; say so in the log if that cannot be done.

    Nothing that could still write there may run any more.
    """
    # Python goes down a tree by calling itself; `rm` takes any depth.
    with suppress(RecursionError):
        shutil.rmtree(directory, ignore_errors=True)
    if directory.exists():
        _run(*_RM, str(directory))
    if directory.exists():
        _open(directory)
        _run(*_RM, str(directory))
    for owner in _AS_OWNER:
        if directory.exists():
            _run(*owner, *_RM, str(directory))
    if directory.exists():
        logger.warning("cannot remove %s, which an attempt left", directory)


def _open(directory: Path) -> None:
    """Let the owner of the directories write to them: handlers may have forbidden it."""
    waiting = [directory]
    while waiting:
        current = waiting.pop()
        with suppress(OSError):
            current.chmod(0o700)
            with os.scandir(current) as entries:
                waiting += [
                    Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)
                ]


def _run(*command: str) -> None:
    if shutil.which(command[0]) is None:
        return
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(  # noqa: S603 - one of the above
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=REMOVAL_TIMEOUT_S,
            check=False,
        )


_PREFIX = "work-"

_EARLIER = "apphub-work-"
"""Directly in the temporary directory: of earlier versions."""


def workplaces() -> Path:
    """Return the directory of all workplaces of this user, made if need be.

    Raises:
        OSError: somebody else has made what is there.
    """
    path = Path(tempfile.gettempdir()) / f"{PLACES_PREFIX}{os.geteuid()}"
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    about = path.lstat()
    is_closed = stat.S_IMODE(about.st_mode) & 0o077 == 0
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid() or not is_closed:
        msg = (
            f"attempts work below {path}, which is not a directory of this user alone: remove it,"
            " or set TMPDIR to another temporary directory"
        )
        raise PermissionError(msg)
    return path


PLACES_PREFIX = "apphub-jobs-"
"""Then comes the user's number."""


class Workplace:
    """One process's directory for its attempts."""

    def __init__(self) -> None:
        self._path, self._lock = _claimed()

    def new_directory(self) -> Path:
        """Make an empty directory that nobody else uses."""
        if not self._path.exists():  # Some cleaner knows no locks.
            os.close(self._lock)
            self._path, self._lock = _claimed()
        return Path(tempfile.mkdtemp(prefix="run-", dir=self._path))

    def close(self) -> None:
        """Remove everything, and give up the lock."""
        remove(self._path)
        os.close(self._lock)


def sweep() -> None:
    """Remove the workplaces of this user's processes that are gone."""
    here = workplaces().glob(f"{_PREFIX}*")
    earlier = Path(tempfile.gettempdir()).glob(f"{_EARLIER}*")
    for path in chain(here, earlier):
        try:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
            lock = os.open(path, flags)
        except OSError:  # No directory, somebody else's, or gone by now.
            continue
        try:
            if os.fstat(lock).st_uid == os.geteuid() and _locked(
                path, lock, fcntl.LOCK_EX | fcntl.LOCK_NB
            ):
                remove(path)
                logger.info("removed %s, left by a worker that is gone", path)
        except BlockingIOError:
            pass  # Its worker lives, or another one sweeps it.
        finally:
            os.close(lock)


def _claimed() -> tuple[Path, int]:
    """Return a new directory and the descriptor of its lock, which no started process inherits."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=workplaces()))
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue  # Swept before it could be locked, as below.
        if _locked(path, lock, fcntl.LOCK_EX):
            return path, lock
        os.close(lock)


def _locked(path: Path, lock: int, operation: int) -> bool:
    """Lock an open directory; return False where it was removed or replaced before that."""
    fcntl.flock(lock, operation)
    try:
        locked = os.fstat(lock)
        return os.path.samestat(locked, path.lstat())
    except FileNotFoundError:
        return False


# How the processes of a handler package are started: their command line and their environment.

PROGRAM = "from apphub_jobs.process.program import main; main()"
SHARED_PROGRAM = "from apphub_jobs.process.shared import main; main()"
PROBE = "from apphub_jobs.process.probe import main; main()"

_ENVIRONMENT = (*("PATH", "LANG", "LANGUAGE", "TZ", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE"),)
_ENVIRONMENT_PREFIXES = ("LC_", "SSL_CERT_", "GIT_SSL_")
"""What an attempt gets of the worker's environment: none of the service's settings or secrets."""


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
        name: value for name, value in os.environ.items() if name in named or is_passed_on(name)
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


def require_descriptors(descriptor: int) -> None:
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
