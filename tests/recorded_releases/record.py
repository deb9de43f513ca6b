"""Records a release: what is needed to run it beside later ones, out of this repository's history.

python -m tests.recorded_releases.record 0.2.0 COMMIT
"""

import argparse
import lzma
import subprocess

from tests import ROOT
from tests.recorded_releases import HERE

PARTS = (
    "api",
    "apphub_jobs",
    "apphub_jobs_server.py",
    "catalog",
    "cli",
    "domain",
    "eventlog",
    "migrations",
    "projections",
    "runtime",
    "worker",
    "tests/__init__.py",
    "tests/support/__init__.py",
    "tests/support/handlers",
)
"""The service, and the handlers that tests launch."""


def archived(commit: str) -> bytes:
    """Return what a release consists of, as a compressed archive.

    An older release may lack some of the parts.

    Raises:
        subprocess.CalledProcessError: this clone's history does not go back to it.
    """
    existing = _git("ls-tree", "--name-only", commit, *PARTS).decode().split()
    return lzma.compress(_git("archive", commit, *existing), preset=lzma.PRESET_EXTREME)


def _git(*arguments: str) -> bytes:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


def main() -> None:
    """Record what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("version")
    parser.add_argument("commit")
    arguments = parser.parse_args()
    (HERE / f"{arguments.version}.tar.xz").write_bytes(archived(arguments.commit))


if __name__ == "__main__":
    main()
