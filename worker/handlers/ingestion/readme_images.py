"""The images of a README in Markdown, in the order of their appearance.

Every pattern is bounded in length, or cannot begin again within what it has passed: reading takes a
time proportional to the text's length, whatever the text is.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields

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
    r"<img\s(?P<attributes>(?:[^<>\"']|\"[^\"]{0,2000}\"|'[^']{0,2000}'){1,4000})>",
    re.IGNORECASE,
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


def images(readme: str) -> list[Image]:
    """Return a Markdown text's images: inline, by reference, and `<img>`; not those in code."""
    unfenced = _without_fences(readme)
    uncommented = _COMMENT.sub(" ", unfenced)
    text = _CODE.sub(" ", uncommented)
    definitions: dict[str, re.Match[str]] = {}
    for match in _DEFINITION.finditer(text):  # The first of a label counts.
        label = _label(match["label"])
        definitions.setdefault(label, match)
    found: list[tuple[int, Image]] = []
    found += _inline(text)
    found += _by_label(text, definitions)
    found += _tags(text)
    found.sort(key=_place_of)
    return [image for _, image in found]


def _place_of(found: tuple[int, Image]) -> int:
    place, _ = found
    return place


def _without_fences(text: str) -> str:
    kept: list[str] = []
    fence = ""
    for line in text.splitlines():
        mark = _FENCE.match(line)
        marks = ""
        if mark is not None:
            marks = mark[1]
        if not fence:
            fence = marks
            if not marks:
                kept.append(line)
        elif marks.startswith(fence) and line.strip() == marks:
            fence = ""
    return "\n".join(kept)


def _inline(text: str) -> Iterator[tuple[int, Image]]:
    for match in _INLINE.finditer(text):
        alt = match["alt"]
        image = _image(alt, match)
        yield match.start(), image


def _by_label(
    text: str, definitions: dict[str, "re.Match[str]"]
) -> Iterator[tuple[int, Image]]:
    for match in _BY_LABEL.finditer(text):
        alt = match["alt"]
        label = _label(match["label"] or alt)
        definition = definitions.get(label)
        if definition is not None:
            image = _image(alt, definition)
            yield match.start(), image


def _image(alt: str, target: "re.Match[str]") -> Image:
    src = target["angled"] or target["bare"]
    title = target["double"] or target["single"] or target["round"] or ""
    return Image(
        _unescaped(src),
        _unescaped(alt),
        _unescaped(title),
    )


def _tags(text: str) -> Iterator[tuple[int, Image]]:
    for match in _TAG.finditer(text):
        attributes = _attributes(match["attributes"])
        if not attributes.get("src"):
            continue
        wanted: dict[str, str] = {}
        for name in _FIELDS:
            value = attributes.get(name, "")
            wanted[name] = value.strip()
        yield match.start(), Image(**wanted)


def _attributes(text: str) -> dict[str, str]:
    attributes: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(text):  # The first of a name counts.
        name = match["name"].lower()
        value = match["double"] or match["single"] or match["bare"] or ""
        unescaped = html.unescape(value)
        attributes.setdefault(name, unescaped)
    return attributes


def _label(text: str) -> str:
    words = text.split()
    return " ".join(words).casefold()


def _unescaped(text: str) -> str:
    without_backslashes = _ESCAPED.sub(r"\1", text)
    unescaped = html.unescape(without_backslashes)
    return unescaped.strip()
