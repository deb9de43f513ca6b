"""While the API is open, the steps of a stranger's Dockerfile have no way to it."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from catalog.handlers.own_network import FAILED, PROGRAM, network_command
from tests.e2e.catalog.apps import SCRATCH, add, built
from tests.e2e.support import register
from tests.support.git.repositories import repository
from tests.support.processes import Process, started

GATEWAY = "10.0.2.2"
"""What leads to the host in such networks, where that is allowed."""


@pytest.fixture(autouse=True)
def _need_program() -> None:
    if shutil.which(PROGRAM) is None:
        if os.environ.get("APPHUB_TEST_BUILDER") == "required":
            pytest.fail(f"{PROGRAM} is not installed")
        pytest.skip(f"{PROGRAM} is not installed")


@contextmanager
def building(
    database_url: str, directory: Path, base_images: Path, **variables: str
) -> Iterator[Process]:
    """Run a worker that builds, as it is unless told otherwise."""
    ours = {"APPHUB_BUILDER": "buildah", "APPHUB_BASE_IMAGES": str(base_images)}
    arguments = ("worker", "--data-dir", str(directory / "data"))
    with started(*arguments, APPHUB_DATABASE_URL=database_url, **ours, **variables) as process:
        yield process


def _launching(port: int | None) -> str:
    """Return a Dockerfile whose step launches runs if it can."""
    attempts = " ; ".join(
        "wget -T 5 -q -O - --header 'Host: localhost' --post-data ''"
        f" http://{host}:{port}/jobs/reached/run || echo no way to {host}"
        for host in ("127.0.0.1", GATEWAY)
    )
    return f"FROM localhost/busybox\nRUN {attempts}\n"


@pytest.mark.slow
def test_a_step_that_would_drive_the_open_api_does_not_reach_it(
    client: httpx.Client, database_url: str, base_images: Path, tmp_path: Path
) -> None:
    register(client, "reached", "tests.nowhere", retryPolicy={"maxAttempts": 1})
    origin = repository(tmp_path, {"Dockerfile": _launching(client.base_url.port)})
    with building(database_url, tmp_path, base_images):
        add(client, origin)
        build = built(client)
    assert build["status"] == "succeeded", build
    for host in ("127.0.0.1", GATEWAY):
        assert f"no way to {host}" in build["logsPreview"]
    assert client.get("/jobs/reached/runs").json()["data"] == []
    # The same step does reach it by the host's network: else all of this would prove nothing.
    with building(database_url, tmp_path, base_images, APPHUB_BUILD_NETWORK="host"):
        client.post("/apps/Shop/builds").raise_for_status()
        assert built(client, number=2)["status"] == "succeeded"
    assert len(client.get("/jobs/reached/runs").json()["data"]) == 1


def test_nothing_of_the_open_api_can_be_added_to_an_image(
    client: httpx.Client, database_url: str, base_images: Path, tmp_path: Path
) -> None:
    added = f"FROM scratch\nADD {client.base_url}/jobs /jobs\n"
    with building(database_url, tmp_path, base_images):
        add(client, repository(tmp_path, {"Dockerfile": added}))
        build = built(client)
    assert build["status"] == "failed"
    assert "connection refused" in build["errorMessage"]


def test_a_build_that_adds_nothing_succeeds_in_a_network_of_its_own(
    client: httpx.Client, database_url: str, base_images: Path, tmp_path: Path
) -> None:
    with building(database_url, tmp_path, base_images):
        add(client, repository(tmp_path, SCRATCH))
        build = built(client)
    assert build["status"] == "succeeded", build


def _run(directory: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in such a network, for which one has to be root."""
    if os.geteuid() != 0:
        pytest.skip("only root may make a network")
    return subprocess.run(
        network_command(directory, list(command)),
        env={**os.environ, "PATH": f"{directory}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def test_where_nothing_leads_out_the_build_fails_at_once_and_says_why(tmp_path: Path) -> None:
    broken = tmp_path / PROGRAM
    broken.write_text("#!/bin/sh\necho 'there is no tun device' >&2\nexit 1\n")
    broken.chmod(0o755)
    ended = _run(tmp_path, "true")
    assert ended.returncode == FAILED
    last_line = ended.stderr.splitlines()[-1]
    assert last_line.startswith(f"error: {PROGRAM} does not lead out")
    assert last_line.endswith(": there is no tun device")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_builder_that_is_ended_by_a_signal_is_told_as_that(
    tmp_path: Path, number: signal.Signals
) -> None:
    ended = _run(tmp_path, "sh", "-c", f"kill -{number.value} $$")
    assert (ended.returncode, ended.stderr) == (-number, "")
