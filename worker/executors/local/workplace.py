"""The directories of attempts, and how the processes of their handlers are started.

First the removal of directories, then this process's directory for its attempts (`Workplace`), then
command lines, environment and view of the file system of a handler package's processes.

All workplaces of a user lie in one directory, which is hidden from handlers' processes as a whole:
so they see no other attempt's files, also none of a worker that starts later.

A killed worker cannot clean up, so the next one does it. A lock of the kernel on the directory
itself shows that its worker lives, frozen or not; it is released with the process. Cleaners of
temporary directories that respect such locks (systemd's does) leave it alone, too.
"""

import fcntl
import json
import logging
import os
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from apphub_jobs.process.handlers import SERVICE_PACKAGES, SERVICE_ROOT
from apphub_jobs.version import CONTRACT, VERSION
from worker.executors.local import hiding
from worker.executors.local.masking import PROXIES
from worker.executors.local.supervisor import ERROR_MARK
from worker.executors.packages import OWN, HandlerPackage

logger = logging.getLogger(__name__)

_RM = ("rm", "-rf", "--")

_AS_NAMESPACE_ROOT = (
    ("unshare", "--user", "--map-root-user", "--map-auto", "--"),
    ("buildah", "unshare"),
)
"""Commands by which an ordinary user removes files of subordinate ids (subuid(5)), such as image
builders leave."""

REMOVAL_TIMEOUT_S = 60.0


def remove(directory: Path) -> None:
    """Remove a directory with all that is in it; log a warning if that fails.

    No process that could still write there may be running.
    """
    # Python removes a tree recursively; `rm` takes any depth.
    with suppress(RecursionError):
        shutil.rmtree(directory, ignore_errors=True)
    if directory.exists():
        _run(*_RM, str(directory))
    if directory.exists():
        _make_writable(directory)
        _run(*_RM, str(directory))
    for owner in _AS_NAMESPACE_ROOT:
        if directory.exists():
            _run(*owner, *_RM, str(directory))
    if directory.exists():
        logger.warning("cannot remove %s, which an attempt left", directory)


def _make_writable(directory: Path) -> None:
    """Make the directories writable to their owner: handlers may have changed that."""
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

_LEGACY_PREFIX = "apphub-work-"
"""The prefix of earlier versions, whose directories lie directly in the temporary directory."""


def workplaces() -> Path:
    """Return the directory of all workplaces of this user; make it if it is missing.

    Raises:
        OSError: it is another user's, or no private directory.
    """
    path = Path(tempfile.gettempdir()) / f"{ROOT_PREFIX}{os.geteuid()}"
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    status = path.lstat()
    is_private = stat.S_IMODE(status.st_mode) & 0o077 == 0
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or not is_private:
        msg = (
            f"attempts work below {path}, which is not a directory of this user alone: remove it,"
            " or set TMPDIR to another temporary directory"
        )
        raise PermissionError(msg)
    return path


ROOT_PREFIX = "apphub-jobs-"
"""The user's id follows."""


class Workplace:
    """One process's directory for its attempts."""

    def __init__(self) -> None:
        self._path, self._lock = _new_locked_directory()

    def new_directory(self) -> Path:
        """Make a new empty directory."""
        if not self._path.exists():  # Some cleaners ignore locks.
            os.close(self._lock)
            self._path, self._lock = _new_locked_directory()
        return Path(tempfile.mkdtemp(prefix="run-", dir=self._path))

    def close(self) -> None:
        """Remove everything, and release the lock."""
        remove(self._path)
        os.close(self._lock)


def sweep() -> None:
    """Remove the workplaces of this user's processes that are gone."""
    here = workplaces().glob(f"{_PREFIX}*")
    earlier = Path(tempfile.gettempdir()).glob(f"{_LEGACY_PREFIX}*")
    for path in chain(here, earlier):
        try:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
            lock = os.open(path, flags)
        except OSError:  # No directory, another user's, or removed by now.
            continue
        try:
            if os.fstat(lock).st_uid == os.geteuid() and _lock(
                path, lock, fcntl.LOCK_EX | fcntl.LOCK_NB
            ):
                remove(path)
                logger.info("removed %s, left by a worker that is gone", path)
        except BlockingIOError:
            pass  # Its worker lives, or another worker sweeps it.
        finally:
            os.close(lock)


def _new_locked_directory() -> tuple[Path, int]:
    """Return a new directory and the descriptor of its lock, which no started process inherits."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=workplaces()))
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue  # Swept before it could be locked, as below.
        if _lock(path, lock, fcntl.LOCK_EX):
            return path, lock
        os.close(lock)


def _lock(path: Path, lock: int, operation: int) -> bool:
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
"""The worker's variables that attempts get: none of the service's settings or secrets."""


START_DESCRIPTORS = 16
"""Descriptors that a start needs for a moment, and some more."""


def command_line(program: str, package: HandlerPackage) -> tuple[str, ...]:
    """Return the command of one of these programs for a package, before its further arguments."""
    # -P: the working directory is the run's, and nothing is imported from it.
    # -c: imports the compiled program; -m would import much more before that.
    description = json.dumps(
        {
            "modules": package.modules,
            "commands": package.commands,
            "directories": package.directories,
            "shown": package.shown,
            "contract": CONTRACT,
            "errorMark": ERROR_MARK.decode(),
        }
    )
    if package.interpreter is None:
        return (sys.executable, "-P", "-c", program, description)
    return (package.interpreter.path, "-c", f"{_AS_WITH_P}; {program}", description)


def unfit(package: HandlerPackage, problem: str = "has an apphub-jobs of another contract") -> str:
    """Return why handlers cannot run with an interpreter, and what to do."""
    path = (package.interpreter or OWN).path
    return (
        f"{path}, which runs {', '.join(package.modules)}, {problem}: install"
        f" apphub-jobs=={VERSION} there ({path} -m pip install {_own_source()}), or choose"
        f" another interpreter: --python PATH (the service's own: {sys.executable})"
    )


def _own_source() -> str:
    """Return what pip can install the service's own version of `apphub-jobs` from."""
    try:
        origin = distribution("apphub-jobs").read_text("direct_url.json")
    except PackageNotFoundError:
        origin = None
    return source_of(origin)


def source_of(origin: str | None) -> str:
    """Return what pip can install `apphub-jobs` from, as arguments.

    Args:
        origin: its `direct_url.json`: where a distribution comes from that was not installed by
            its name, such as a checkout or a wheel; None for any other.
    """
    if origin is not None:
        url = urlsplit(json.loads(origin)["url"])
        path = unquote(url.path)
        if url.scheme == "file" and Path(path).exists():
            return shlex.quote(path)
    return f"apphub-jobs=={VERSION}; where no index has it, add --find-links DIRECTORY of its wheel"


_AS_WITH_P = "import sys; sys.path[:1] == [''] and sys.path.pop(0)"
"""Does what the option -P does, which Python 3.10 does not have."""


def view_of(package: HandlerPackage, own: Path) -> dict[str, Any] | None:
    """Return a process's view of the file system, as the fields of a `hiding.View`.

    Args:
        package: the handlers.
        own: the directory below which the process works.

    Returns:
        None where the operator trusts the handlers, which then see all of it.
    """
    if not package.hidden:
        return None
    return {
        "hidden": list(package.hidden),
        "own": os.path.realpath(own),
        "writable": [*_temporary(), *package.writable],
        "fixed": [*_CODE, *_prefixes(package)],
        "withheld": list(package.withheld),
    }


def _prefixes(package: HandlerPackage) -> list[str]:
    """Return the environment of a package that has one of its own."""
    prefix = "" if package.interpreter is None else package.interpreter.prefix
    return [os.path.realpath(prefix)] if prefix else []


def _temporary() -> list[str]:
    """Return the directories in which all users of this host may make files."""
    return [os.path.realpath(path) for path in (tempfile.gettempdir(), *_TEMPORARY)]


_TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue")  # noqa: S108 - nothing is made there

_CODE = [
    os.path.realpath(path)
    for path in (
        sys.prefix,
        sys.base_prefix,
        *(f"{SERVICE_ROOT}/{name}" for name in sorted(SERVICE_PACKAGES)),
        f"{SERVICE_ROOT}/apphub_jobs",
        f"{SERVICE_ROOT}/apphub_jobs_server.py",
    )
]
"""The service's own code, and all that is installed with it."""


def confining_command(package: HandlerPackage, own: Path) -> tuple[str, ...]:
    """Return the prefix of a command that runs with the view of this package's handlers."""
    view = view_of(package, own)
    return () if view is None else (*_HIDING, json.dumps(view))


_HIDING = (sys.executable, "-I", "-S", hiding.__file__)


@dataclass(frozen=True)
class Confinement:
    """The confinement of handlers that this system supports.

    Attributes:
        hides: whether files can be hidden from them.
        protects: whether files can be made read-only to them.
    """

    hides: bool
    protects: bool


def possible_confinement() -> Confinement:
    """Return the confinement that this system supports, by trying it."""
    view = {"hidden": [], "writable": _temporary()}
    trial = (*_HIDING, json.dumps(view))
    code = subprocess.run(trial, check=False).returncode  # noqa: S603 - a program of ours
    hides = code in {0, hiding.NOT_READ_ONLY}
    return Confinement(hides=hides, protects=code == 0)


class Cover:
    """Notices when hidden files become visible to a process that was started after it was made.

    The cover of a directory stays. A replaced file is no longer covered, and a file that did not
    exist was never covered. If the process's own directory is removed, it cannot see a new one of
    the same path.
    """

    def __init__(self, hidden: Sequence[str], own: Path | None = None) -> None:
        # As a text: a `Path` would take four times as long, and each attempt looks.
        self._own = str(own) if hidden and own is not None else None
        self._files = {
            path: _file_at(path)
            for path in hidden
            if not os.path.isdir(path)  # noqa: PTH112 - a text is what there is
        }

    @property
    def holds(self) -> bool:
        """Whether all hidden files are still covered, and the process has its directory."""
        if self._own is not None and not os.path.exists(self._own):  # noqa: PTH110
            return False
        return all(_file_at(path) == file for path, file in self._files.items())


def _file_at(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    # The time, too: a new file may get the inode of one that was removed.
    return status.st_dev, status.st_ino, status.st_ctime_ns


def environment(workdir: Path, package: HandlerPackage) -> dict[str, str]:
    """Return the variables of a process that works below this directory.

    Proxies are for the operator's handlers: built-in ones connect to checked addresses only.
    """
    named = {*package.pass_env}
    if not package.shown:
        named.update(PROXIES)
    variables = {
        name: value for name, value in os.environ.items() if name in named or is_passed_on(name)
    }
    path = variables.get("PYTHONPATH")
    if path is not None:
        variables["PYTHONPATH"] = _absolute(path)
    directory = str(workdir)
    variables.update(HOME=directory, TMPDIR=directory, PYTHONUNBUFFERED="1")
    return variables


def is_passed_on(name: str) -> bool:
    """Return whether a process outside the service may get this variable."""
    return name in _ENVIRONMENT or name.startswith(_ENVIRONMENT_PREFIXES)


def _absolute(path: str) -> str:
    """Return a search path without relative entries."""
    entries = path.split(os.pathsep)
    return os.pathsep.join(os.path.abspath(entry) for entry in entries)  # noqa: PTH100 - links stay


def pipes() -> tuple[int, int, int, int]:
    """Make two pipes; return the reading and the writing end of each."""
    first = os.pipe()
    try:
        second = os.pipe()
    except OSError:
        for descriptor in first:
            os.close(descriptor)
        raise
    return *first, *second


def require_descriptors(descriptor: int) -> None:
    """Raise OSError where there are not enough free descriptors for a start.

    uvloop never closes those that it has opened when it runs out of them.
    """
    opened: list[int] = []
    try:
        for _ in range(START_DESCRIPTORS):
            opened.append(os.dup(descriptor))  # noqa: PERF401 - closed if another one fails
    finally:
        for number in opened:
            os.close(number)
