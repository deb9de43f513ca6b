"""Fixtures of the API's contract tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.shared_api import SharedApi, shared_api


@pytest.fixture(scope="module")
def shared(database_server: str, shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedApi]:
    """Give an API that all tests of a module share."""
    with shared_api(database_server, shared_dir, tmp_path_factory.mktemp("data")) as api:
        yield api
