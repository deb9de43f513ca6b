"""How a handlers' process is started: its command line, its environment, its view of the files.

First the command line, then the view, with what the system supports of it (`Confinement`) and
whether it still holds (`CoverCheck`); last the environment.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from apphub_jobs.process.handlers import SERVICE_PACKAGES, SERVICE_ROOT
from apphub_jobs.version import CONTRACT, VERSION
from worker.executors.local import hiding
from worker.executors.local.log import ERROR_MARK
from worker.executors.local.masking import PROXY_VARIABLES
from worker.executors.packages import SERVICE_INTERPRETER, HandlerPackage

PROGRAM = "from apphub_jobs.process.program import main; main()"
SHARED_PROGRAM = "from apphub_jobs.process.shared import main; main()"
PROBE = "from apphub_jobs.process.probe import main; main()"


def build_command(program: str, package: HandlerPackage) -> tuple[str, ...]:
    """Return the command that runs one of these programs for a package; arguments may follow."""
    # -P: nothing is imported from the working directory, which is the run's.
    # -c: imports the compiled program; -m would import much more before that.
    description = json.dumps(
        {
            "modules": package.modules,
            "commands": package.commands,
            "directories": package.directories,
            "shown": package.visible_packages,
            "contract": CONTRACT,
            "errorMark": ERROR_MARK.decode(),
        }
    )
    if package.interpreter is None:
        return (sys.executable, "-P", "-c", program, description)
    return (package.interpreter.path, "-c", f"{_LIKE_OPTION_P}; {program}", description)


def unfit_message(
    package: HandlerPackage, problem: str = "has an apphub-jobs of another contract"
) -> str:
    """Return the message that handlers cannot run with their interpreter, and what to do."""
    path = (package.interpreter or SERVICE_INTERPRETER).path
    return (
        f"{path}, which runs {', '.join(package.modules)}, {problem}: install"
        f" apphub-jobs=={VERSION} there ({path} -m pip install {_own_source()}), or choose"
        f" another interpreter: --python PATH (the service's own: {sys.executable})"
    )


def _own_source() -> str:
    """Return the arguments with which pip can install the service's version of `apphub-jobs`."""
    try:
        origin = distribution("apphub-jobs").read_text("direct_url.json")
    except PackageNotFoundError:
        origin = None
    return pip_arguments(origin)


def pip_arguments(origin: str | None) -> str:
    """Return the arguments with which pip can install `apphub-jobs`.

    Args:
        origin: its `direct_url.json`: the origin of a distribution that was not installed by its
            name, such as a checkout or a wheel; None for any other.
    """
    if origin is not None:
        url = urlsplit(json.loads(origin)["url"])
        path = unquote(url.path)
        if url.scheme == "file" and Path(path).exists():
            return shlex.quote(path)
    return f"apphub-jobs=={VERSION}; where no index has it, add --find-links DIRECTORY of its wheel"


_LIKE_OPTION_P = "import sys; sys.path[:1] == [''] and sys.path.pop(0)"
"""Has the effect of the option -P, which Python 3.10 does not have."""


def build_view(package: HandlerPackage, own: Path) -> dict[str, Any] | None:
    """Return the view of the file system of a package's processes: the fields of a `hiding.View`.

    Args:
        package: the handlers.
        own: the directory in which the process works.

    Returns:
        The fields; None if the operator trusts the handlers, which then see all files.
    """
    if not package.hidden:
        return None
    return {
        "hidden": list(package.hidden),
        "own": os.path.realpath(own),
        "writable": [*_temporary_directories(), *package.writable],
        "fixed": [*_CODE_DIRECTORIES, *_environment_directories(package)],
        "withheld": list(package.withheld),
    }


def _environment_directories(package: HandlerPackage) -> list[str]:
    """Return the directory of the package's Python environment, if it has one of its own."""
    prefix = "" if package.interpreter is None else package.interpreter.prefix
    return [os.path.realpath(prefix)] if prefix else []


def _temporary_directories() -> list[str]:
    """Return the directories in which all users of this host may make files."""
    return [os.path.realpath(path) for path in (tempfile.gettempdir(), *_TEMPORARY)]


_TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue")  # noqa: S108 - nothing is made there

_CODE_DIRECTORIES = [
    os.path.realpath(path)
    for path in (
        sys.prefix,
        sys.base_prefix,
        *(f"{SERVICE_ROOT}/{name}" for name in sorted(SERVICE_PACKAGES)),
        f"{SERVICE_ROOT}/apphub_jobs",
        f"{SERVICE_ROOT}/apphub_jobs_server.py",
    )
]
"""The service's own code, and the packages that are installed with it."""


def build_confining_command(package: HandlerPackage, own: Path) -> tuple[str, ...]:
    """Return the words before a command that give it the view of this package's handlers."""
    view = build_view(package, own)
    return () if view is None else (*_HIDING, json.dumps(view))


_HIDING = (sys.executable, "-I", "-S", hiding.__file__)


@dataclass(frozen=True)
class Confinement:
    """How far this system supports the confinement of handlers.

    Attributes:
        hides: whether files can be hidden from them.
        protects: whether files can be made read-only for them.
    """

    hides: bool
    protects: bool


def probe_confinement() -> Confinement:
    """Return the confinement that this system supports, as a trial shows."""
    view = {"hidden": [], "writable": _temporary_directories()}
    trial = (*_HIDING, json.dumps(view))
    code = subprocess.run(trial, check=False).returncode  # noqa: S603 - a program of ours
    hides = code in {0, hiding.NOT_READ_ONLY}
    return Confinement(hides=hides, protects=code == 0)


class CoverCheck:
    """Checks whether hidden files are still covered in a process that starts after this is made.

    Directories stay covered. A file that is replaced is no longer covered, and one that is made
    later never was. If the process's own directory is removed, the process cannot see a new one
    with the same path.
    """

    def __init__(self, hidden: Sequence[str], own: Path | None = None) -> None:
        # A text, as a `Path` would take four times as long in the check before each attempt.
        self._own = str(own) if hidden and own is not None else None
        self._files = {
            path: _file_at(path)
            for path in hidden
            if not os.path.isdir(path)  # noqa: PTH112 - a text is what there is
        }

    @property
    def holds(self) -> bool:
        """Whether all hidden files are covered, and the process's own directory exists."""
        if self._own is not None and not os.path.exists(self._own):  # noqa: PTH110
            return False
        return all(_file_at(path) == file for path, file in self._files.items())


def _file_at(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    # The time as well: a new file may get the inode of a removed one.
    return status.st_dev, status.st_ino, status.st_ctime_ns


_INHERITED_VARIABLES = ("PATH", "LANG", "LANGUAGE", "TZ", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
_INHERITED_PREFIXES = ("LC_", "SSL_CERT_", "GIT_SSL_")
"""The worker's variables that attempts inherit: none of the service's settings or secrets."""


def build_environment(workdir: Path, package: HandlerPackage) -> dict[str, str]:
    """Return the environment variables of a handlers' process that works in this directory.

    Only the operator's handlers get the proxies; built-in ones connect to checked addresses
    directly.
    """
    names = {*package.pass_env}
    if not package.visible_packages:
        names.update(PROXY_VARIABLES)
    variables = {
        name: value for name, value in os.environ.items() if name in names or is_inherited(name)
    }
    path = variables.get("PYTHONPATH")
    if path is not None:
        variables["PYTHONPATH"] = _make_absolute(path)
    directory = str(workdir)
    variables.update(HOME=directory, TMPDIR=directory, PYTHONUNBUFFERED="1")
    return variables


def is_inherited(name: str) -> bool:
    """Return whether processes outside the service inherit this variable."""
    return name in _INHERITED_VARIABLES or name.startswith(_INHERITED_PREFIXES)


def _make_absolute(path: str) -> str:
    """Return a search path with its relative entries made absolute."""
    entries = path.split(os.pathsep)
    return os.pathsep.join(os.path.abspath(entry) for entry in entries)  # noqa: PTH100 - links stay
