"""A worker that builds images, for tests that ask for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.building.builds import need_builder
from tests.support.building.stores import made_base_images
from tests.support.processes import Process, started


@pytest.fixture(scope="session")
def base_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a store of base images."""
    need_builder()
    return made_base_images(tmp_path_factory.mktemp("bases"))


@pytest.fixture
def worker(api: Process, database_url: str, tmp_path: Path, base_images: Path) -> Iterator[Process]:
    """Start a worker that builds with buildah from these base images."""
    del api
    variables = {
        "APPHUB_BUILDER": "buildah",
        "APPHUB_BASE_IMAGES": str(base_images),
        "APPHUB_BUILD_NETWORK": "host",
    }
    arguments = ("worker", "--data-dir", str(tmp_path / "data"))
    with started(*arguments, APPHUB_DATABASE_URL=database_url, **variables) as process:
        yield process
