"""Releases of the service as processes: an older one out of its archive, and this one."""

import os
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from tests import ROOT, recorded_releases
from tests.recorded_releases import record
from tests.support.processes import Process

OLD = os.environ.get("APPHUB_ROLLING_OLD")
"""A commit to be run instead of the recorded release."""

OLD_PYTHON = os.environ.get("APPHUB_ROLLING_OLD_PYTHON", sys.executable)
"""It has the packages that the older release needs."""


@dataclass(frozen=True)
class Release:
    """The files of a release, and the Python that runs them."""

    directory: Path
    python: str

    @contextmanager
    def started(self, *command: str) -> Iterator[Process]:
        """Run its `apphub-jobs` with a command; it is stopped afterwards, whatever happened."""
        # Its files come before what is installed, and that is this very repository.
        environment = {"PYTHONPATH": str(self.directory)}
        process = Process(command, environment, python=self.python, directory=self.directory)
        try:
            yield process
        finally:
            process.stop()


THIS = Release(ROOT, sys.executable)


def older(directory: Path) -> Release:
    """Put an older release's files there."""
    if OLD is None:
        archive = recorded_releases.archive(recorded_releases.NEWEST)
    else:
        archive = record.archived(OLD)
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(directory, filter="data")
    return Release(directory, OLD_PYTHON)
