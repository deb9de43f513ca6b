"""`apphub-jobs demo`: green wherever it runs, with an image builder or without one."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.git.repositories import repository
from tests.support.processes import without_settings


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_without_a_builder_it_leaves_builds_out_and_shows_a_recovery(tmp_path: Path) -> None:
    checkout = repository(
        tmp_path, {"Dockerfile": "FROM scratch\n", "README.md": "# Shop\n\nSells.\n"}
    )
    done = subprocess.run(
        [sys.executable, "-m", "apphub_jobs", "demo", str(checkout)],
        env={**without_settings(), "APPHUB_BUILDER": "docker", "DOCKER_HOST": "unix:///nowhere"},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    out = done.stdout
    assert done.returncode == 0, out + done.stderr
    for part in (
        "images are not built here: ",
        "repository.ingestion-event  ingestion finished",
        "description: Sells.",
        "kill -9",
        "the loss is in the log",
        "another worker runs it, in its second attempt",
        "done: counted to 6 in attempt 2",
        "nothing is left behind",
    ):
        assert part in out
    assert "build.updated" not in out
    assert "repository-build" not in out
