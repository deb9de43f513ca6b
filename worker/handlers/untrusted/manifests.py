"""Small JSON and YAML files, as plain values and within bounds.

Of YAML only what a list of a few things needs is read: maps, lists and scalars, these as they are
written. Nothing is constructed from a tag, and no alias is followed: that is how a small file
becomes a huge value. An entry that has one is left out, the others stay.
"""

import json
import logging
import re
from collections.abc import Callable, Iterator, Sequence

import yaml

from worker.handlers.untrusted.texts import shown
from worker.handlers.untrusted.tree import Tree

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]
"""What a manifest holds. YAML's scalars are texts, as they are written, so that 3.10 stays 3.10."""

MAX_MANIFEST_BYTES = 65_536
"""A list of a few tags or pictures has a few hundred. This much YAML takes up to half a second."""

MAX_DEPTH = 32

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("str", "int", "float", "bool", "null", "map", "seq")
)


class ManifestError(ValueError):
    """The text cannot be read; the message tells why."""


def first_manifest(
    tree: Tree,
    names: Sequence[str],
    log: logging.Logger,
    most_bytes: int = MAX_MANIFEST_BYTES,
) -> Plain:
    """Return the content of the first of these files that exists; None if none, or broken."""
    existing = [name for name in names if tree.inside(name) is not None]
    if not existing:
        return None
    name = existing[0]
    text = tree.text(name, most_bytes)
    if text is None:
        log.warning("%s is passed over: it is larger than %d bytes", name, most_bytes)
        return None
    try:
        if name.endswith(".json"):  # YAML refuses JSON that is indented with tabs.
            return read_json(text)
        return read_yaml(
            text, lambda odd: log.warning("%s: left out: %s", name, shown(odd))
        )
    except ManifestError as error:
        log.warning("%s is passed over: %s", name, shown(str(error)))
        return None


MAX_JSON_DEPTH = 100
"""Counted beforehand: how deep the standard library reads depends on the version of Python, and on
its caller."""

_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
"""Texts as a whole, closed or not, and brackets outside of them."""


def read_json(text: str) -> Plain:
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
        value: Plain = json.loads(text)
    except ValueError as error:
        raise ManifestError(f"it is no JSON: {error}") from None
    return value


class _OddError(Exception):
    """A value, now read, that is an alias or has a tag of its own; the message tells where."""


def _ignore(_: str) -> None:
    pass


def read_yaml(text: str, left_out: Callable[[str], None] = _ignore) -> Plain:
    """Read the first document of a YAML text.

    Args:
        text: the text.
        left_out: told of each entry that is left out: an alias, or one with a tag of its own.

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
    except _OddError as error:
        raise ManifestError(str(error)) from None
    except yaml.MarkedYAMLError as error:
        line = ""
        if error.problem_mark is not None:
            line = f" in line {error.problem_mark.line + 1}"
        message = f"it is no YAML: {error.problem}{line}"
        raise ManifestError(message) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # Characters that cannot be, or have no number.
        raise ManifestError(f"it is no YAML: {error}") from None
    return None


def _value(
    events: Iterator[yaml.Event],
    event: yaml.Event,
    depth: int,
    left_out: Callable[[str], None],
) -> Plain:
    """Return the value that begins with an event, all of whose events are taken.

    Raises:
        _OddError: it is not read.
        ManifestError: it is nested too deeply.
    """
    if depth > MAX_DEPTH:
        raise ManifestError(f"it is nested deeper than {MAX_DEPTH} levels")
    mark = event.start_mark
    line = 0 if mark is None else mark.line + 1
    if not isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
        raise _OddError(f"aliases are not followed (line {line})")
    value = _plain_value(events, event, depth, left_out)
    if event.tag is not None and event.tag not in _PLAIN_TAGS:
        raise _OddError(f"the tag {event.tag} is not known here (line {line})")
    return value


def _plain_value(
    events: Iterator[yaml.Event],
    event: yaml.ScalarEvent | yaml.CollectionStartEvent,
    depth: int,
    left_out: Callable[[str], None],
) -> Plain:
    if isinstance(event, yaml.ScalarEvent):
        without_quotes = event.implicit[0]
        if without_quotes and event.value in _NULLS:
            return None
        return event.value
    parts: list[Plain | _OddError] = []
    for part in _until_end(events):
        try:
            parts.append(_value(events, part, depth + 1, left_out))
        except _OddError as odd:
            parts.append(odd)
            left_out(str(odd))
    if isinstance(event, yaml.SequenceStartEvent):
        return [part for part in parts if not isinstance(part, _OddError)]
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return {
        key: value
        for key, value in pairs
        if isinstance(key, str) and not isinstance(value, _OddError)
    }


def _until_end(events: Iterator[yaml.Event]) -> Iterator[yaml.Event]:
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            return
        yield event
