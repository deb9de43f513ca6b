"""The sides of an image, as the beginning of its file tells them."""

import re
import struct

HEAD_BYTES = 65_536
"""Of a file. A photo may hold a small copy of itself before it tells its size."""

Size = tuple[int, int]

_PNG = b"\x89PNG\r\n\x1a\n"
_GIFS = (b"GIF87a", b"GIF89a")
_JPEG = b"\xff\xd8\xff"

_SVG = re.compile(rb"<svg\b[^<>]{0,4000}>", re.IGNORECASE)
_SIDE = rb"\s%s\s{0,5}=\s{0,5}[\"'](\d{1,6})(?:\.\d{1,6})?(?:px)?[\"']"
_WIDTH = re.compile(_SIDE % b"width")
_HEIGHT = re.compile(_SIDE % b"height")

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG's segments that tell its size."""


def size_of(head: bytes) -> Size | None:
    """Return width and height in pixels; None where the head does not tell them."""
    try:
        if head.startswith(_PNG):
            return _pair(">II", head, 16)
        if head.startswith(_GIFS):
            return _pair("<HH", head, 6)
        if head.startswith(_JPEG):
            return _of_jpeg(head)
    except (struct.error, IndexError):  # The head ends before that.
        return None
    return _of_svg(head)


def _pair(kind: str, head: bytes, offset: int) -> Size:
    width, height = struct.unpack_from(kind, head, offset)
    return width, height


def _of_jpeg(head: bytes) -> Size | None:
    place = 2
    while head[place : place + 1] == b"\xff":
        marker = head[place + 1]
        if marker in _FRAMES:
            height, width = _pair(">HH", head, place + 5)
            return width, height
        [length] = struct.unpack_from(">H", head, place + 2)
        place += 2 + length
    return None


def _of_svg(head: bytes) -> Size | None:
    tag = _SVG.search(head)
    if tag is None:
        return None
    width = _WIDTH.search(tag.group())
    height = _HEIGHT.search(tag.group())
    if width is None or height is None:
        return None
    return int(width[1]), int(height[1])
