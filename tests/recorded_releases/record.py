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

    Raises:
        subprocess.CalledProcessError: this clone's history does not go back to it.
    """
    command = ["git", "-C", str(ROOT), "archive", commit, *PARTS]
    files = subprocess.run(command, check=True, capture_output=True).stdout
    return lzma.compress(files, preset=lzma.PRESET_EXTREME)


def main() -> None:
    """Record what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("version")
    parser.add_argument("commit")
    given = parser.parse_args()
    recorded = HERE / f"{given.version}.tar.xz"
    recorded.write_bytes(archived(given.commit))


if __name__ == "__main__":
    main()
