"""Fixtures of the tests of workers."""

from pathlib import Path

import pytest

from tests.integration.worker.operator_modules import Write


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write files of the operator, who starts the worker in their directory."""
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.chdir(own)

    def write_file(name: str, content: str) -> None:
        path = own / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)

    return write_file
