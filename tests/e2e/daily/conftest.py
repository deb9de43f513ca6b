"""One running service for all tests of the commands of every day."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from cli.main import complete
from tests.support import databases
from tests.support.commands import Done, command_of, typed
from tests.support.processes import Process, started, without_settings

JOBS = Path(__file__).with_name("jobs_of_a_day.py")


@dataclass(frozen=True)
class Shell:
    """Commands typed on the machine of a service."""

    directory: Path
    data_dir: Path
    url: str
    database_url: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables of somebody who has told the data directory, and nothing else."""
        return {**without_settings(), "APPHUB_DATA_DIR": str(self.data_dir)}

    def run(self, *words: str, stdin: str = "", **variables: str) -> Done:
        """Type `apphub-jobs` with these words."""
        env = {"APPHUB_DATA_DIR": str(self.data_dir), **variables}
        with chdir(self.directory):
            return typed(words, env, stdin)

    def run_at_terminal(self, *words: str, columns: int) -> str:
        """Type them at a terminal, here, too; return all that is printed there."""
        ours, theirs = pty.openpty()
        with ThreadPoolExecutor(1) as thread:
            printed = thread.submit(_read_to_end, ours)
            with (
                os.fdopen(theirs, "w", buffering=1) as terminal,
                pytest.MonkeyPatch.context() as patch,
            ):
                patch.chdir(self.directory)
                patch.setattr(sys, "stdout", terminal)
                patch.setattr(sys, "stderr", terminal)
                patch.setenv("APPHUB_DATA_DIR", str(self.data_dir))
                patch.setenv("TERM", "xterm")
                patch.setenv("COLUMNS", str(columns))
                with suppress(SystemExit):
                    command_of(complete()).main(args=words, prog_name="apphub-jobs")
            return printed.result().replace("\r\n", "\n")

    def run_process(self, *words: str, **variables: str) -> Done:
        """Do the same in a process of its own, as a shell does."""
        env = {"APPHUB_DATA_DIR": str(self.data_dir), **variables}
        done = Process(words, env, directory=self.directory).completed()
        return Done(done.returncode, done.stdout, done.stderr)

    def start_process(self, *words: str, stdout: IO[str] | int) -> subprocess.Popen[str]:
        """Start one in a process of its own, whose standard output goes elsewhere."""
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "apphub_jobs", *words],
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.directory,
            env=self.environment,
        )


def _read_to_end(terminal: int) -> str:
    """Return what is printed on a terminal until the last program has closed it."""
    pieces: list[bytes] = []
    with os.fdopen(terminal, "rb", buffering=0) as screen, suppress(OSError):
        while piece := screen.read(65_536):
            pieces.append(piece)
    return b"".join(pieces).decode(errors="replace")


@pytest.fixture(scope="package")
def shell(
    database_server: str, shared_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shell]:
    """Run a service with the jobs of a day registered; give a shell beside it."""
    base = tmp_path_factory.mktemp("daily")
    data_dir = base / "data"
    with (
        databases.clone(
            database_server, databases.template(database_server, shared_dir)
        ) as database_url,
        started(
            *("dev", str(JOBS), "--port", "0", "--data-dir", str(data_dir)),
            APPHUB_DATABASE_URL=database_url,
        ) as process,
    ):
        url = process.url()
        yield Shell(base, data_dir, url, database_url)
