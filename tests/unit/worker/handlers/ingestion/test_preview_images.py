"""Images of preview tiles that lie in the repository: addresses, data URLs and bounds."""

import json
from typing import Any

import pytest

from catalog.handlers.previews import MAX_TOTAL_BYTES
from tests.unit.worker.handlers.ingestion.tiles import PNG, Tiles

# Images of the repository -------------------------------------------------------------------------


def test_without_a_big_code_host_images_become_data_urls_and_videos_do_not(tiles_of: Tiles) -> None:
    files = {
        "previews.json": ["a.png", "b.mp4", "c.gif"],
        "a.png": PNG,
        "b.mp4": b"\0\0\0\x20ftypmp42",
        "c.gif": b"GIF89a",
    }
    tiles = tiles_of(files, "/srv/git/shop")
    assert [(tile["kind"], tile["src"].partition(",")[0]) for tile in tiles] == [
        ("image", "data:image/png;base64"),
        ("gif", "data:image/gif;base64"),
    ]


def test_repeated_images_stand_once_whatever_they_are_called(tiles_of: Tiles) -> None:
    files = {
        "previews.json": ["a.png", "./a.png", "b.png"],
        "a.png": PNG,
        "b.png": PNG,
        "README.md": "![](a.png)",
    }
    assert len(tiles_of(files, "/srv/git/shop")) == 1


def test_all_tiles_together_are_bounded_and_a_smaller_one_still_fits(
    tiles_of: Tiles, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    files: dict[str, Any] = {
        f"{number}.png": (PNG + bytes([number])).ljust(1_500_000) for number in range(3)
    }
    files |= {"previews.json": [*files, "small.png"], "small.png": PNG}
    tiles = tiles_of(files, "/srv/git/shop")
    assert len(tiles) == 3
    assert len(tiles[2]["src"]) < 100
    assert 4_000_000 < len(json.dumps(tiles)) <= MAX_TOTAL_BYTES
    assert "preview 2.png is left out: all together take too much" in caplog.text
