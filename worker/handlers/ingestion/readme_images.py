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
        definitions.setdefault(_label(match["label"]), match)
    found = [*_inline(text), *_by_label(text, definitions), *_tags(text)]
    found.sort(key=lambda one: one[0])
    return [image for _, image in found]


def _without_fences(text: str) -> str:
    kept: list[str] = []
    fence = ""
    for line in text.splitlines():
        mark = _FENCE.match(line)
        if fence:
            is_only_marks = not line.strip().strip(fence[0])
            if mark and mark[1].startswith(fence) and is_only_marks:
                fence = ""
        elif mark:
            fence = mark[1]
        else:
            kept.append(line)
    return "\n".join(kept)


def _inline(text: str) -> Iterator[tuple[int, Image]]:
    for match in _INLINE.finditer(text):
        yield match.start(), _image(match["alt"], match)


def _by_label(
    text: str, definitions: dict[str, "re.Match[str]"]
) -> Iterator[tuple[int, Image]]:
    for match in _BY_LABEL.finditer(text):
        label = _label(match["label"] or match["alt"])
        definition = definitions.get(label)
        if definition is not None:
            yield match.start(), _image(match["alt"], definition)


def _image(alt: str, target: "re.Match[str]") -> Image:
    title = target["double"] or target["single"] or target["round"] or ""
    src = target["angled"] or target["bare"]
    return Image(_unescaped(src), _unescaped(alt), _unescaped(title))


def _tags(text: str) -> Iterator[tuple[int, Image]]:
    for match in _TAG.finditer(text):
        attributes = _attributes(match["attributes"])
        if attributes.get("src"):
            wanted = {name: attributes.get(name, "").strip() for name in _FIELDS}
            yield match.start(), Image(**wanted)


def _attributes(text: str) -> dict[str, str]:
    attributes: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(text):  # The first of a name counts.
        value = match["double"] or match["single"] or match["bare"] or ""
        attributes.setdefault(match["name"].lower(), html.unescape(value))
    return attributes


def _label(text: str) -> str:
    words = text.split()
    return " ".join(words).casefold()


def _unescaped(text: str) -> str:
    without_backslashes = _ESCAPED.sub(r"\1", text)
    return html.unescape(without_backslashes).strip()
