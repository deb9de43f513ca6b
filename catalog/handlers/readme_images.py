"""The images of a README: which there are, how large they are, and which of them show the app.

First the size of an image (`read_size`); then the images of a Markdown text (`find_images`); last
their order: screenshots first, badges and icons last (`rank_images`).
"""

import html
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from operator import itemgetter
from urllib.parse import urlsplit

# The sides of an image, read from the beginning of its file.

HEAD_BYTES = 65_536
"""How much of a file is read: a photo may hold a small copy of itself before its own size."""

Size = tuple[int, int]

_PNG = b"\x89PNG\r\n\x1a\n"
_GIFS = (b"GIF87a", b"GIF89a")
_JPEG = b"\xff\xd8\xff"

_SVG = re.compile(rb"<svg\b[^<>]{0,4000}>", re.IGNORECASE)
_SIDE = rb"\s%s\s{0,5}=\s{0,5}[\"'](\d{1,6})(?:\.\d{1,6})?(?:px)?[\"']"
_WIDTH = re.compile(_SIDE % b"width")
_HEIGHT = re.compile(_SIDE % b"height")

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG's segments that hold its size."""


def read_size(head: bytes) -> Size | None:
    """Return width and height in pixels; None where the head does not hold them."""
    try:
        if head.startswith(_PNG):
            return _pair(">II", head, 16)
        if head.startswith(_GIFS):
            return _pair("<HH", head, 6)
        if head.startswith(_JPEG):
            return _jpeg_size(head)
    except (struct.error, IndexError):  # The head ends before that.
        return None
    return _svg_size(head)


def _pair(kind: str, head: bytes, offset: int) -> Size:
    width, height = struct.unpack_from(kind, head, offset)
    return width, height


def _jpeg_size(head: bytes) -> Size | None:
    offset = 2
    while head[offset : offset + 1] == b"\xff":
        marker = head[offset + 1]
        if marker in _FRAMES:
            height, width = _pair(">HH", head, offset + 5)
            return width, height
        [length] = struct.unpack_from(">H", head, offset + 2)
        offset += 2 + length
    return None


def _svg_size(head: bytes) -> Size | None:
    tag = _SVG.search(head)
    if tag is None:
        return None
    width = _WIDTH.search(tag.group())
    height = _HEIGHT.search(tag.group())
    if width is None or height is None:
        return None
    return int(width[1]), int(height[1])


# The images of a README in Markdown, in the order of their appearance.
#
# Every pattern is bounded in length, or cannot begin again within what it has passed: reading takes
# a time proportional to the text's length, whatever the text is.

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_CODE = re.compile(r"(?<!`)(`{1,3})(?!`)[^\n]{1,1000}?(?<!`)\1(?!`)")

_ALT = r"!\[(?P<alt>(?:[^\[\]\\]|\\.|\[[^\[\]]{0,200}\]){0,500})\]"
_BARE = r"(?P<bare>(?:[^\s()<>\\]|\\.|\([^\s()]{0,200}\)){1,2000})"
_TARGET = rf"(?:<(?P<angled>[^<>\n]{{1,2000}})>|{_BARE})"
_TITLE = (
    r"(?:\s{1,10}"
    r"(?:\"(?P<double>[^\"]{0,500})\"|'(?P<single>[^']{0,500})'|\((?P<round>[^()]{0,500})\)))?"
)
_INLINE = re.compile(rf"{_ALT}\(\s{{0,10}}{_TARGET}{_TITLE}\s{{0,10}}\)")
_BY_LABEL = re.compile(rf"{_ALT}(?!\()(?:\[(?P<label>[^\[\]]{{0,200}})\])?")
_DEFINITION = re.compile(
    rf"^ {{0,3}}\[(?P<label>[^\[\]]{{1,200}})\]:[ \t]{{0,10}}{_TARGET}{_TITLE}[ \t]{{0,10}}$",
    re.MULTILINE,
)
_TAG = re.compile(
    r"<img\s(?P<attributes>(?:[^<>\"']|\"[^\"]{0,2000}\"|'[^']{0,2000}'){1,4000})>", re.IGNORECASE
)
_ATTRIBUTE = re.compile(
    r"(?P<name>[^\s=\"'<>/]{1,100})"
    r"(?:\s{0,5}=\s{0,5}(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<bare>[^\s\"'>]+)))?"
)
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")


@dataclass(frozen=True)
class Image:
    """An image as the author wrote it; texts are empty where absent."""

    src: str
    alt: str = ""
    title: str = ""
    width: str = ""
    height: str = ""


_FIELDS = tuple(field.name for field in fields(Image))


def find_images(readme: str) -> list[Image]:
    """Return a Markdown text's images: inline, by reference, and `<img>`; not those in code."""
    text = _CODE.sub(" ", _COMMENT.sub(" ", _without_fences(readme)))
    definitions: dict[str, re.Match[str]] = {}
    for match in _DEFINITION.finditer(text):  # The first of a label counts.
        definitions.setdefault(_label(match["label"]), match)
    by_offset = [*_inline(text), *_by_label(text, definitions), *_tags(text)]
    by_offset.sort(key=itemgetter(0))
    return [image for _, image in by_offset]


def _without_fences(text: str) -> str:
    kept: list[str] = []
    fence = ""
    for line in text.splitlines():
        mark = _FENCE.match(line)
        marks = "" if mark is None else mark[1]
        if not fence:
            fence = marks
            if not marks:
                kept.append(line)
        elif marks.startswith(fence) and line.strip() == marks:
            fence = ""
    return "\n".join(kept)


def _inline(text: str) -> Iterator[tuple[int, Image]]:
    for match in _INLINE.finditer(text):
        yield match.start(), _image(match["alt"], match)


def _by_label(text: str, definitions: dict[str, "re.Match[str]"]) -> Iterator[tuple[int, Image]]:
    for match in _BY_LABEL.finditer(text):
        alt = match["alt"]
        definition = definitions.get(_label(match["label"] or alt))
        if definition is not None:
            yield match.start(), _image(alt, definition)


def _image(alt: str, target: "re.Match[str]") -> Image:
    src = target["angled"] or target["bare"]
    title = target["double"] or target["single"] or target["round"] or ""
    return Image(_unescaped(src), _unescaped(alt), _unescaped(title))


def _tags(text: str) -> Iterator[tuple[int, Image]]:
    for match in _TAG.finditer(text):
        attributes = _attributes(match["attributes"])
        if not attributes.get("src"):
            continue
        yield match.start(), Image(**{name: attributes.get(name, "").strip() for name in _FIELDS})


def _attributes(text: str) -> dict[str, str]:
    attributes: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(text):  # The first of a name counts.
        name = match["name"].lower()
        value = match["double"] or match["single"] or match["bare"] or ""
        attributes.setdefault(name, html.unescape(value))
    return attributes


def _label(text: str) -> str:
    return " ".join(text.split()).casefold()


def _unescaped(text: str) -> str:
    return html.unescape(_ESCAPED.sub(r"\1", text)).strip()


# Which of a README's images show the app: screenshots do, badges and icons do not.

SCREENSHOT = 0
PICTURE = 1
BADGE = 2
"""Ranks; the lowest comes first."""

TINY_PX = 48
"""The longest shorter side of a badge or icon: badges have 20 to 35 pixels, icons up to 48."""

_SCREENSHOT = re.compile(r"screen[\s_-]?(?:shot|cast|grab|capture)", re.IGNORECASE)

_BADGE_PATH = re.compile(
    r"(?:^|[/._-])badges?(?:[/._-]|$)|status\.svg$|button\.svg$|/build/?status", re.IGNORECASE
)

_BADGE_HOSTS = frozenset(
    {
        "appveyor.com",
        "badge.fury.io",
        "badgen.net",
        "bestpractices.dev",
        "bors.tech",
        "buymeacoffee.com",
        "circleci.com",
        "cirrus-ci.com",
        "codacy.com",
        "codeclimate.com",
        "codecov.io",
        "colab.research.google.com",
        "coreinfrastructure.org",
        "coveralls.io",
        "david-dm.org",
        "deepsource.com",
        "deepsource.io",
        "depfu.com",
        "deps.rs",
        "discord.com",
        "discordapp.com",
        "forthebadge.com",
        "fossa.com",
        "fossa.io",
        "gitpod.io",
        "godoc.org",
        "goreportcard.com",
        "herokucdn.com",
        "hits.seeyoufarm.com",
        "isitmaintained.com",
        "ko-fi.com",
        "komarev.com",
        "liberapay.com",
        "lgtm.com",
        "mybinder.org",
        "nodei.co",
        "opencollective.com",
        "packagephobia.com",
        "paypalobjects.com",
        "pepy.tech",
        "pugx.org",
        "repology.org",
        "scorecard.dev",
        "scrutinizer-ci.com",
        "securityscorecards.dev",
        "semaphoreci.com",
        "shields.io",
        "snyk.io",
        "sonarcloud.io",
        "styleci.io",
        "travis-ci.com",
        "travis-ci.org",
        "visitor-badge.laobi.icu",
        "weblate.org",
    }
)
"""Hosts of badges, each with its subdomains; none of them serves pictures of an app."""


SizeOf = Callable[[str], Size | None]
"""Reads the size of the file that a reference names, where there is one."""


def rank_images(images: Iterable[Image], read_size: SizeOf, max_files: int) -> list[Image]:
    """Return the images by rank, else in their order; at most `max_files` files are read."""
    by_words = [(_rank_by_words(image), index, image) for index, image in enumerate(images)]
    by_words.sort(key=itemgetter(0, 1))
    by_size = [
        (BADGE if _is_tiny(read_size(image.src)) else rank, index, image)
        for rank, index, image in by_words[:max_files]
    ]
    by_size.sort(key=itemgetter(0, 1))
    return [image for _, _, image in by_size]


def _rank_by_words(image: Image) -> int:
    """Return an image's rank by what the README says of it, without reading its file."""
    if _is_badge(image.src) or _is_displayed_tiny(image):
        return BADGE
    is_screenshot = _SCREENSHOT.search(f"{image.alt} {image.title} {image.src}")
    return SCREENSHOT if is_screenshot else PICTURE


def _is_tiny(size: Size | None) -> bool:
    return size is not None and min(size) <= TINY_PX


def _is_displayed_tiny(image: Image) -> bool:
    sides = (re.fullmatch(r"(\d{1,6})(?:px)?", side) for side in (image.width, image.height))
    return any(side is not None and int(side[1]) <= TINY_PX for side in sides)


def _is_badge(src: str) -> bool:
    try:
        parts = urlsplit(src)
    except ValueError:
        return False
    labels = (parts.hostname or "").split(".")
    names = [".".join(labels[start:]) for start in range(len(labels))]
    return not _BADGE_HOSTS.isdisjoint(names) or _BADGE_PATH.search(parts.path) is not None
