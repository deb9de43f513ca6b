"""Fixtures of the tests of builds."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.building.builds import Builds, need_builder
from tests.support.building.fake_builders import FakeBuilders
from tests.support.building.stores import made_base_images
from tests.support.git.origins import made
from worker.executors.local.workplace import remove_directory


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeBuilders:
    """Work in an attempt's directory, with no builder on the PATH but those that a test adds."""
    fakes = FakeBuilders(tmp_path)
    monkeypatch.setenv("PATH", str(fakes.bin))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    attempt = tmp_path / "attempt"
    attempt.mkdir()
    monkeypatch.chdir(attempt)
    return fakes


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """Make a repository with a Dockerfile in a folder."""
    return made(tmp_path / "origin", {"docker/Dockerfile": "FROM scratch\n"})


@pytest.fixture(scope="session")
def base_images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a store of base images."""
    need_builder()
    directory = tmp_path_factory.mktemp("base-images")
    yield made_base_images(directory)
    remove_directory(directory)  # As an ordinary user, pytest could not.


@pytest.fixture
def builds(base_images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Builds]:
    """Give a place where builds run."""
    builds = Builds(
        tmp_path,
        {"builder": "buildah", "baseImages": str(base_images), "ociDir": str(tmp_path / "images")},
    )
    monkeypatch.setattr(tempfile, "tempdir", str(builds.attempts))
    yield builds
    remove_directory(builds.attempts)  # Where a test fails, pytest could not.
