"""Which images of a README show the app: screenshots first, badges and icons last."""

import struct
from collections.abc import Callable
from typing import Any

import pytest

from catalog.handlers.readme_images import Size, read_size
from tests.unit.worker.handlers.ingestion.tiles import PNG, Tiles

RAW = "https://raw.githubusercontent.com/anna/shop/c0ffee/"

BADGES = (
    "https://img.shields.io/npm/v/shop.svg",
    "https://IMG.shields.io:443/npm/dm/shop",
    "https://badge.fury.io/py/shop.svg",
    "https://travis-ci.org/anna/shop.svg?branch=main",
    "https://codecov.io/gh/anna/shop/branch/main/graph/badge.svg",
    "https://coveralls.io/repos/anna/shop",
    "https://github.com/anna/shop/actions/workflows/ci.yml/badge.svg",
    "https://github.com/anna/shop/workflows/CI/badge.svg",
    "https://gitlab.com/anna/shop/badges/main/pipeline.svg",
    "https://readthedocs.org/projects/shop/badge/?version=latest",
    "https://dev.azure.com/anna/_apis/build/status/shop",
    "https://www.herokucdn.com/deploy/button.svg",
    "https://awesome.re/badge.svg",
)

PICTURES = (
    "https://x.org/front.png",
    "https://github.com/anna/shop/assets/1/2",
    "https://user-images.githubusercontent.com/1/2.png",
    "https://notshields.io/front.png",
    "https://x.org/badger.png",
    "https://[x.org/front.png",
)


def png(width: int, height: int) -> bytes:
    return PNG + struct.pack(">I4sII", 13, b"IHDR", width, height) + b"\x08\x06\0\0\0"


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0\0\0"


def jpeg(width: int, height: int) -> bytes:
    note = b"\xff\xe1" + struct.pack(">H", 302) + bytes(300)
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 17, 8, height, width, 3)
    return b"\xff\xd8" + note + frame + bytes(9)


def svg(width: object, height: object) -> bytes:
    text = f'<?xml version="1.0"?>\n<svg xmlns="x" width="{width}" height=\'{height}\'>'
    return text.encode()


def sources(tiles: list[dict[str, Any]]) -> list[str]:
    return [tile["src"].removeprefix(RAW) for tile in tiles]


@pytest.mark.parametrize("badge", BADGES)
def test_a_badge_comes_after_every_picture(tiles_of: Tiles, badge: str) -> None:
    readme = f"[![Build]({badge})](x)\n![Front](https://x.org/front.png)"
    tiles = tiles_of({"README.md": readme})
    assert sources(tiles) == ["https://x.org/front.png", badge]
    assert [tile["sortOrder"] for tile in tiles] == [0, 1]


def test_pictures_stay_in_their_order(tiles_of: Tiles) -> None:
    readme = "\n".join(f"![]({src})" for src in PICTURES)
    assert sources(tiles_of({"README.md": readme})) == list(PICTURES[:5])


@pytest.mark.parametrize(
    "shot",
    [
        "![Screenshot](https://x.org/1.png)",
        "![The front](https://x.org/screen-shot.png)",
        '![](https://x.org/1.png "A screen cast")',
        "<img alt='Screen Capture of it' src='https://x.org/1.gif' width='100%'>",
    ],
)
def test_a_screenshot_comes_before_other_pictures(tiles_of: Tiles, shot: str) -> None:
    tiles = tiles_of({"README.md": f"![Logo](https://x.org/logo.svg)\n{shot}"})
    assert sources(tiles)[1:] == ["https://x.org/logo.svg"]


@pytest.mark.parametrize(
    "icon",
    [
        "<img src='https://x.org/icon.png' width='16'>",
        "<img src='https://x.org/icon.png' height=\"48px\" width='200'>",
        "<img src='https://x.org/icon.png' alt='Screenshot' height='20'>",
    ],
)
def test_what_is_shown_tiny_comes_last(tiles_of: Tiles, icon: str) -> None:
    tiles = tiles_of({"README.md": f"{icon}\n![](https://x.org/front.png)"})
    assert sources(tiles) == ["https://x.org/front.png", "https://x.org/icon.png"]


@pytest.mark.parametrize(
    ("name", "drawn"), [("a.png", png), ("a.gif", gif), ("a.jpg", jpeg), ("a.svg", svg)]
)
def test_a_tiny_file_comes_last_and_a_large_one_stays(
    tiles_of: Tiles, name: str, drawn: Callable[[int, int], bytes]
) -> None:
    readme = f"![]({name})\n![](large/{name})"
    files = {"README.md": readme, name: drawn(640, 20), f"large/{name}": drawn(640, 49)}
    assert sources(tiles_of(files)) == [f"large/{name}", name]


def test_badges_crowd_no_screenshot_out(tiles_of: Tiles) -> None:
    badges = [f"![](https://img.shields.io/{number})" for number in range(150)]
    readme = "\n".join([*badges, "![](front.png)"])
    tiles = tiles_of({"README.md": readme, "front.png": png(1_280, 720)})
    assert sources(tiles) == [
        "front.png",
        *(f"https://img.shields.io/{number}" for number in range(5)),
    ]


def test_a_manifest_s_tiles_stay_as_their_author_ordered_them(tiles_of: Tiles) -> None:
    listed = [BADGES[0], "https://x.org/icon.png"]
    files = {"previews.json": listed, "README.md": "![](https://x.org/screenshot.png)"}
    assert sources(tiles_of(files)) == [*listed, "https://x.org/screenshot.png"]


@pytest.mark.parametrize(
    ("head", "size"),
    [
        (png(640, 480), (640, 480)),
        (gif(640, 480), (640, 480)),
        (jpeg(640, 480), (640, 480)),
        (svg("640px", "480.5"), (640, 480)),
        (svg("100%", "480"), None),
        (PNG, None),
        (b"GIF89a\x01", None),
        (b"\xff\xd8\xff", None),
        (b"\xff\xd8\xff\xe1\xff\xff", None),
        (b"\xff\xd8\xff\xc0\0", None),
        (jpeg(640, 480)[:-12], None),
        (b"version https://git-lfs.github.com/spec/v1\n", None),
        (b"", None),
    ],
)
def test_the_beginning_of_a_file_tells_an_image_s_sides(head: bytes, size: Size | None) -> None:
    assert read_size(head) == size
