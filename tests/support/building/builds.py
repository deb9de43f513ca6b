"""Builds for tests: the handler under a real supervisor, base images, what a build left."""

import asyncio
import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from catalog.handlers.buildah import Buildah
from catalog.handlers.builder import BuildSettings, UnusableError
from tests.support.packages import BUILTIN_HANDLERS
from tests.support.processes import eventually
from worker.executors.local.executor import ProcessExecutor
from worker.executors.port import Attempt, Outcome, Task

BUSYBOX = Path("/bin/busybox")

During = Callable[[Attempt, Path], Awaitable[None]]
"""What a test does while a build runs; it is given the attempt and its log."""


def need_builder() -> None:
    """Skip where no image can be built; fail with APPHUB_TEST_BUILDER=required, as in CI."""
    missing = _missing()
    if missing and os.environ.get("APPHUB_TEST_BUILDER") != "required":
        pytest.skip(f"images cannot be built here: {missing}")
    assert not missing, missing


def _missing() -> str:
    try:
        Buildah(BuildSettings()).check()
    except UnusableError as error:
        return str(error)
    if not BUSYBOX.exists():
        return "no busybox: apt-get install --no-install-recommends busybox-static"
    return "" if os.geteuid() == 0 else _refused_ids()


def _refused_ids() -> str:
    """Return why this ordinary user gets no ids for builds; empty where he does."""
    with tempfile.TemporaryDirectory() as directory:
        own = {**os.environ, "HOME": directory, "XDG_RUNTIME_DIR": directory}
        roots = ("--root", f"{directory}/storage", "--runroot", f"{directory}/run")
        command = ["buildah", *roots, "unshare", "cat", "/proc/self/uid_map"]
        tried = subprocess.run(command, capture_output=True, text=True, env=own, check=False)
    return (
        ""
        if tried.returncode == 0 and len(tried.stdout.splitlines()) > 1
        else tried.stderr.strip() or "no ids"
    )


@dataclass
class Built:
    """How a build went."""

    outcome: Outcome
    log: str
    updates: list[dict[str, Any]] = field(default_factory=list)

    @property
    def result(self) -> dict[str, Any]:
        """The handler's result, which there must be."""
        assert self.outcome.kind == "result", f"{self.outcome}\n{self.log}"
        return dict(self.outcome.message)

    @property
    def error(self) -> str:
        """The error that the handler raised."""
        assert self.outcome.kind == "error", f"{self.outcome}\n{self.log}"
        return str(self.outcome.message["message"])


class Builds:
    """Runs the handler as a worker does: in a supervised process and a directory of its own."""

    def __init__(self, directory: Path, settings: Mapping[str, Any]) -> None:
        self.attempts = directory / "attempts"
        self.attempts.mkdir()
        self._logs = directory / "logs"
        self._settings = settings
        self._count = 0

    def run(
        self,
        origin: Path | str,
        *,
        build: Mapping[str, Any] | None = None,
        app: Mapping[str, Any] | None = None,
        timeout_ms: int | None = None,
        during: During | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Built:
        """Build an app and check that nothing remains."""
        # A loop for each build, as in a worker that has just started.
        built = asyncio.run(
            self.one(str(origin), build or {}, app or {}, timeout_ms, during, settings or {})
        )
        self.check_nothing_is_left()
        return built

    async def one(
        self,
        origin: str,
        build: Mapping[str, Any],
        app: Mapping[str, Any],
        timeout_ms: int | None,
        during: During | None,
        settings: Mapping[str, Any],
    ) -> Built:
        """Build an app."""
        self._count += 1
        log, updates = self._logs / str(self._count), list[dict[str, Any]]()
        executor = ProcessExecutor(BUILTIN_HANDLERS, 0)
        attempt = await executor.submit(
            Task(
                run={
                    "id": "r",
                    "slug": "repository-build",
                    "attempt": 1,
                    "maxAttempts": 1,
                    "context": {},
                },
                definition={},
                entry_point="catalog.build.run",
                parameters={"buildId": "b"},
                inputs={
                    "build": {**BUILD, **build},
                    "repository": {**APP, "repoUrl": origin, **app},
                },
                settings={**self._settings, **settings},
                timeout_ms=timeout_ms,
                memory_mb=None,
                deadline=None,
                log_path=log,
            ),
            lambda update: updates.append(dict(update)),
            monotonic() + 600,
        )
        try:
            if during is not None:
                await during(attempt, log)
        except BaseException:
            attempt.stop()
            raise
        finally:
            outcome = await attempt.outcome()
            await executor.aclose()
        return Built(outcome, log.read_text(), updates)

    def check_nothing_is_left(self) -> None:
        """Fail if a directory, a mount or a process of a build remains."""
        # Only what holds all workplaces stays: it is hidden from handlers whole.
        assert list(self.attempts.glob("*/*")) == []
        assert str(self.attempts) not in Path("/proc/self/mountinfo").read_text()
        assert processes_that_know(str(self.attempts)) == []


BUILD: dict[str, Any] = {
    "id": "b",
    "repositoryId": "Shop",
    "status": "running",
    "gitBranch": None,
    "gitRef": None,
    "commitSha": None,
}
APP: dict[str, Any] = {
    "id": "Shop",
    "name": "Shop",
    "dockerfilePath": "Dockerfile",
    "ingestStatus": "ready",
}


def processes_that_know(path: str) -> list[str]:
    """Return the processes whose command, directory, root or environment names this path."""
    pids = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            directories = [str((process / name).readlink()) for name in ("cwd", "root")]
            texts = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            if path.encode() in texts or any(
                directory.startswith(path) for directory in directories
            ):
                pids.append(f"{process.name}: {(process / 'cmdline').read_bytes()!r}")
    return pids


async def log_says(log: Path, text: str) -> None:
    """Wait until a log holds this text."""
    await asyncio.to_thread(
        eventually, lambda: log.exists() and text in log.read_text(), 60, f"{text!r} in the log"
    )


def image_in(layout: Path, reference: str) -> tuple[str, dict[str, bytes]]:
    """Return an image's digest by a layout's index, and its files; all blobs are checked."""
    index = json.loads((layout / "index.json").read_text())
    (entry,) = [one for one in index["manifests"] if one["annotations"][REFERENCE] == reference]
    manifest = json.loads(blob(layout, entry["digest"]))
    assert len(blob(layout, entry["digest"])) == entry["size"]
    blob(layout, manifest["config"]["digest"])
    files: dict[str, bytes] = {}
    for layer in manifest["layers"]:
        content = blob(layout, layer["digest"])
        unpacked = gzip.decompress(content) if layer["mediaType"].endswith("gzip") else content
        with tarfile.open(fileobj=io.BytesIO(unpacked)) as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                if file is not None:
                    files[member.name] = file.read()
    return entry["digest"], files


REFERENCE = "org.opencontainers.image.ref.name"


def blob(layout: Path, digest: str) -> bytes:
    """Return a blob, which must be what its name says."""
    algorithm, _, name = digest.partition(":")
    content = (layout / "blobs" / algorithm / name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == name
    return content
