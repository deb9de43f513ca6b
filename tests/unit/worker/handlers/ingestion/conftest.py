"""Fixtures of the tests of what repositories say."""

import json
from pathlib import Path
from typing import Any

import pytest

from catalog.handlers.previews import preview_tiles
from catalog.handlers.untrusted import Tree
from tests.unit.worker.handlers.ingestion.planting import Plant
from tests.unit.worker.handlers.ingestion.tiles import GITHUB, LOG, Tiles


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """Give a way to make a tree of files: their contents by path."""

    def make(files: dict[str, str | bytes]) -> Tree:
        root = tmp_path / "clone"
        root.mkdir(exist_ok=True)
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return Tree(root)

    return make


@pytest.fixture
def tiles_of(tmp_path: Path) -> Tiles:
    """Give a way to make the tiles of files; objects are written as JSON."""

    def make(files: dict[str, Any], repo_url: str = GITHUB) -> list[dict[str, Any]]:
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            text = content if isinstance(content, str | bytes) else json.dumps(content)
            path.write_bytes(
                text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
            )
        return preview_tiles(Tree(tmp_path), repo_url, "c0ffee", LOG)

    return make
