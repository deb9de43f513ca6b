"""Starts the service, whose packages are installed beside this module.

Its own name is unique. The packages have common names, such as `api`, of which an operator's
PYTHONPATH may have other modules, which are for handlers. Where an environment that the service
shares has others, it says so, and ends.
"""

import os
import signal
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from apphub_jobs.process.handlers import SERVICE_PACKAGES, set_up_imports

if TYPE_CHECKING:
    from importlib.metadata import Distribution

ROOT = os.path.dirname(os.path.realpath(__file__))  # noqa: PTH120 - a text is what the path holds
"""The directory of the service's packages."""

NAME = "apphub-jobs-server"

REMEDY = (
    f"give the service an environment of its own: uv tool install {NAME} (or: pipx install {NAME})"
)


COMPILED_VARIABLE = "APPHUB_COMPILED"
"""Names the directory in which a child of `up` keeps what it compiles."""


def main() -> None:
    """Run the command line of the service."""
    if directory := os.environ.pop(COMPILED_VARIABLE, None):
        keep_compiled(directory)
    # Nothing is running that would have to be stopped: Ctrl-C ends imports without a traceback.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    _refuse_imported()
    set_up_imports([], SERVICE_PACKAGES, ROOT)
    try:
        import_module("cli.main").main()
    except ImportError as error:
        intruders = list(find_intruders())
        if not intruders:
            raise
        files = ", ".join(f"{intruder.file} of {intruder.distribution}" for intruder in intruders)
        sys.exit(f"apphub-jobs: {error}: among the service's files there are {files}; {REMEDY}")


def keep_compiled(directory: str) -> None:
    """Read compiled modules from a directory instead of `__pycache__`, and write them there."""
    sys.pycache_prefix = directory
    sys.dont_write_bytecode = False


class Intruder(NamedTuple):
    """The first file that another distribution has in one of the service's packages."""

    distribution: str
    file: str


def find_intruders() -> Iterator[Intruder]:
    """Yield an intruder for each distribution beside this one that has files in its packages."""
    from importlib.metadata import distributions  # noqa: PLC0415 - it takes long, and few need it

    for distribution in distributions(path=[ROOT]):
        name = distribution.metadata["Name"]
        if name != NAME:
            yield from [Intruder(name, file) for file in _own_files(distribution)][:1]


def _own_files(distribution: "Distribution") -> Iterator[str]:
    """Yield what a distribution has installed into the service's packages."""
    for line in (distribution.read_text("RECORD") or "").splitlines():
        file, _, _ = line.partition(",")
        package, is_below, _ = file.partition("/")
        if is_below and package in SERVICE_PACKAGES:
            yield file


def _refuse_imported() -> None:
    """End the program if this interpreter has imported another module by a package's name."""
    for name in sorted(SERVICE_PACKAGES & sys.modules.keys()):
        file = getattr(sys.modules[name], "__file__", None) or "a namespace"
        if not os.path.realpath(file).startswith(f"{ROOT}/{name}/"):
            sys.exit(
                f"apphub-jobs: this environment imports another {name!r} ({file}) before the"
                f" service's own, by a .pth file or by sitecustomize; {REMEDY}"
            )
