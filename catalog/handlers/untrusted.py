"""A cloned repository's texts and files, read within bounds: strangers have written all of it.

First texts: what can be stored, and what may be shown; then the tree, with bounds for paths, files
and searches; then small JSON and YAML files.

Of YAML, only maps, lists and scalars are read, scalars as they are written. Tags construct nothing,
and aliases are not followed, since a small file could become a huge value. An entry with an alias
or a tag is left out, the others stay.
"""

import codecs
import json
import logging
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import yaml

_USERINFO = re.compile(r"(?<=://)[^/?#\s'\"]*@")


_CONTROL_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # Colours, and moves of the cursor.
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # Titles, links.
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x01-\x08\x0e-\x1f\x7f-\x9f]"
)
"""Sequences that a terminal obeys instead of showing them."""


def strip_control_sequences(text: str) -> str:
    """Return the text without sequences that control a terminal: others will see it on theirs."""
    return _CONTROL_SEQUENCES.sub("", text)


def is_storable(text: str) -> bool:
    """Return whether every store can hold the text.

    None holds a NUL, or half of a surrogate pair, which odd file names have.
    """
    return text.encode("utf-8", "ignore").decode() == text and "\x00" not in text


def one_line(text: str, max_length: int) -> str | None:
    """Return the text as one line of limited length; None if it is empty or not storable."""
    start = strip_control_sequences(text[: 4 * max_length])
    line = " ".join(start.split())[:max_length].strip()
    return line if line and is_storable(line) else None


def printable(text: str, max_length: int = 200) -> str:
    """Return the text as a log may show it: short, on one line, without control characters."""
    if len(text) > max_length:
        text = f"{text[:max_length]}…"
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )


def redact_userinfo(text: str) -> str:
    """Return a text without the users and passwords that URLs in it may carry."""
    return _USERINFO.sub("", text)


# A cloned tree, read within bounds: of paths, of a file's size, and of a search's length.

MAX_TEXT_BYTES = 1_048_576
"""The largest manifest, Dockerfile or README that is read."""

MAX_DEPTH = 6
MAX_ENTRIES = 5_000

SKIPPED = frozenset(
    {".git", ".hg", ".svn", "node_modules", ".next", "dist", "build", "out", ".cache"}
)


_ENCODINGS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # Begins as UTF-16 does.
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Tree:
    """The files of a clone."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def text(self, relative: str, max_bytes: int = MAX_TEXT_BYTES) -> str | None:
        """Return a file's text, with invalid characters replaced; None as for `content`.

        It is UTF-8, or what its byte order mark says: some editors write UTF-16.
        """
        content = self.content(relative, max_bytes)
        if content is None:
            return None
        marked = (name for mark, name in _ENCODINGS if content.startswith(mark))
        text = content.decode(next(marked, "utf-8-sig"), "replace")
        return text.replace("\x00", "")

    def content(self, relative: str, max_bytes: int) -> bytes | None:
        """Return a file's bytes; None if no such file is inside, or it is larger than that."""
        path = self.inside(relative)
        if path is None or path.stat().st_size > max_bytes:
            return None
        return path.read_bytes()

    def head(self, relative: str, size: int) -> bytes:
        """Return the first bytes of a file; none if no such file is inside."""
        path = self.inside(relative)
        if path is None:
            return b""
        with path.open("rb") as file:
            return file.read(size)

    def inside(self, relative: str) -> Path | None:
        """Return a regular file's path, its links followed; None if it lies outside of the tree.

        The files in `.git` are not part of the tree.
        """
        try:
            path = (self.root / relative).resolve()
            is_inside = path.is_relative_to(self.root)
            is_git_data = path.is_relative_to(self.root / ".git")
            if not is_inside or is_git_data or not path.is_file():
                return None
        except (OSError, ValueError, RuntimeError):
            # Names that no file can have; links in a circle.
            return None
        return path

    def find_ignoring_case(self, relative: str) -> str | None:
        """Return the path of a file as the tree spells it: this path, or one in other case.

        None if no such file is inside. Links to directories are followed only in this spelling.
        """
        if self.inside(relative) is not None:
            return relative
        return next(self._matching_paths(self.root, relative.split("/")), None)

    def _matching_paths(self, directory: Path, parts: Sequence[str]) -> Iterator[str]:
        """Yield the files below a directory whose paths are these parts, whatever their case."""
        part, *rest = parts
        for entry in _matching_entries(directory, part):
            if not rest:
                relative = str(entry.relative_to(self.root))
                if self.inside(relative) is not None:
                    yield relative
            elif entry.is_dir() and not entry.is_symlink():
                yield from self._matching_paths(entry, rest)

    def walk(self) -> Iterator[str]:
        """Yield files breadth first and by name, as relative paths, within depth and number.

        Links to files inside the tree count; those to directories are not followed.
        """
        queue = deque([(self.root, 0)])
        seen = 0
        while queue:
            directory, depth = queue.popleft()
            for entry in sorted(directory.iterdir(), key=lambda path: path.name):
                seen += 1
                if seen > MAX_ENTRIES:
                    return
                relative = str(entry.relative_to(self.root))
                if entry.is_symlink():
                    if self.inside(relative) is not None:
                        yield relative
                elif entry.is_dir():
                    if entry.name not in SKIPPED and depth < MAX_DEPTH:
                        queue.append((entry, depth + 1))
                elif entry.is_file():
                    yield relative


def _matching_entries(directory: Path, name: str) -> list[Path]:
    """Return a directory's entries of this name, whatever their case; an exact match first."""
    folded = name.casefold()
    matching = [entry for entry in directory.iterdir() if entry.name.casefold() == folded]
    return sorted(matching, key=lambda entry: (entry.name != name, entry.name))


ManifestValue = None | bool | int | float | str | list["ManifestValue"] | dict[str, "ManifestValue"]
"""A value in a manifest. Scalars of YAML are texts, as written, so that 3.10 stays 3.10."""

MAX_MANIFEST_BYTES = 65_536
"""A list of tags or pictures has a few hundred bytes. To read this much YAML takes up to half a
second."""

MAX_NESTING = 32

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")
)


class ManifestError(ValueError):
    """The text cannot be read; the message says why."""


def first_manifest(
    tree: Tree, names: Sequence[str], log: logging.Logger, max_bytes: int = MAX_MANIFEST_BYTES
) -> ManifestValue:
    """Return the content of the first of these files that exists; None without one or if broken."""
    name = next((name for name in names if tree.inside(name) is not None), None)
    if name is None:
        return None
    text = tree.text(name, max_bytes)
    if text is None:
        log.warning("%s is skipped: it is larger than %d bytes", name, max_bytes)
        return None
    try:
        if name.endswith(".json"):  # YAML refuses JSON that is indented with tabs.
            return read_json(text)
        return read_yaml(text, lambda part: log.warning("%s: left out: %s", name, printable(part)))
    except ManifestError as error:
        log.warning("%s is skipped: %s", name, printable(str(error)))
        return None


MAX_JSON_DEPTH = 100
"""Counted beforehand: how deep the standard library reads depends on the version of Python, and on
its caller."""

_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
"""Texts as a whole, closed or not, and brackets outside of them."""


def read_json(text: str) -> ManifestValue:
    """Read a JSON text.

    Raises:
        ManifestError: it is none, or too deep.
    """
    depth = 0
    for mark in _STRUCTURE.finditer(text):
        if mark.group() in "[{":
            depth += 1
        elif mark.group() in "]}":
            depth -= 1
        if depth > MAX_JSON_DEPTH:
            raise ManifestError("it is nested too deeply")
    try:
        value: ManifestValue = json.loads(text)
    except ValueError as error:
        raise ManifestError(f"it is no JSON: {error}") from None
    return value


class _UnsupportedValueError(Exception):
    """A value that has been read is an alias or has a tag of its own; the message says where."""


def _ignore(_: str) -> None:
    pass


def read_yaml(text: str, left_out: Callable[[str], None] = _ignore) -> ManifestValue:
    """Read the first document of a YAML text.

    Args:
        text: the text.
        left_out: called for each entry that is left out: an alias, or one with a tag of its own.

    Raises:
        ManifestError: it is none, is too deep, or is nothing but such an entry.
    """
    events = yaml.parse(text, Loader=yaml.SafeLoader)
    try:
        for event in events:
            if isinstance(event, yaml.StreamEndEvent):
                break
            if not isinstance(event, yaml.StreamStartEvent | yaml.DocumentStartEvent):
                value = _value(events, event, 0, left_out)
                next(events)  # The document's end.
                next(events)  # What follows it: garbage is no YAML.
                return value
    except ManifestError:
        raise
    except _UnsupportedValueError as error:
        raise ManifestError(str(error)) from None
    except yaml.MarkedYAMLError as error:
        line = ""
        if error.problem_mark is not None:
            line = f" in line {error.problem_mark.line + 1}"
        raise ManifestError(f"it is no YAML: {error.problem}{line}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # Characters that cannot be, or have no number.
        raise ManifestError(f"it is no YAML: {error}") from None
    return None


def _value(
    events: Iterator[yaml.Event], event: yaml.Event, depth: int, left_out: Callable[[str], None]
) -> ManifestValue:
    """Return the value that begins with an event, all of whose events are taken.

    Raises:
        _UnsupportedValueError: it is not read.
        ManifestError: it is nested too deeply.
    """
    if depth > MAX_NESTING:
        raise ManifestError(f"it is nested deeper than {MAX_NESTING} levels")
    mark = event.start_mark
    line = 0 if mark is None else mark.line + 1
    if not isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
        raise _UnsupportedValueError(f"aliases are not followed (line {line})")
    value = _read_node_value(events, event, depth, left_out)
    if event.tag is not None and event.tag not in _PLAIN_TAGS:
        raise _UnsupportedValueError(f"the tag {event.tag} is not known here (line {line})")
    return value


def _read_node_value(
    events: Iterator[yaml.Event],
    event: yaml.ScalarEvent | yaml.CollectionStartEvent,
    depth: int,
    left_out: Callable[[str], None],
) -> ManifestValue:
    if isinstance(event, yaml.ScalarEvent):
        is_unquoted = event.implicit[0]
        return None if is_unquoted and event.value in _NULLS else event.value
    parts: list[ManifestValue | _UnsupportedValueError] = []
    for part in _until_end(events):
        try:
            parts.append(_value(events, part, depth + 1, left_out))
        except _UnsupportedValueError as error:
            parts.append(error)
            left_out(str(error))
    if isinstance(event, yaml.SequenceStartEvent):
        return [part for part in parts if not isinstance(part, _UnsupportedValueError)]
    return {
        key: value
        for key, value in zip(parts[::2], parts[1::2], strict=True)
        if isinstance(key, str) and not isinstance(value, _UnsupportedValueError)
    }


def _until_end(events: Iterator[yaml.Event]) -> Iterator[yaml.Event]:
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            return
        yield event
