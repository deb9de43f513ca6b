"""What handlers return and report, as JSON; what cannot be JSON is told with its place."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from math import isfinite
from typing import Any

RECURSION_LIMIT = sys.getrecursionlimit()
"""How deep Python goes down unless somebody says otherwise: as deep as those go who read this."""

DEEPEST = 500
"""Levels that they can still read. The service takes far fewer, and says so more kindly."""

TOO_DEEP = "it is nested too deeply, or holds itself"


class NotJsonError(ValueError):
    """A value cannot be JSON; the message tells the place and what is there."""


def encode(message: Mapping[str, Any]) -> str:
    """Return a message as JSON: dataclasses and pydantic models in it as objects.

    Raises:
        NotJsonError: something in it cannot be JSON.
    """
    try:
        text = _ENCODER.encode(message)
    except (TypeError, ValueError) as error:
        raise NotJsonError(_told(message, error)) from error
    except RecursionError:
        raise NotJsonError(TOO_DEEP) from None
    # A handler that goes down deep itself has let Python do so.
    if sys.getrecursionlimit() > RECURSION_LIMIT and _is_deep(json.loads(text)):
        raise NotJsonError(TOO_DEEP)
    return text


def _is_deep(value: object) -> bool:
    """Return whether a value of JSON is too deep for whoever reads it."""
    level = [value]
    depth = 0
    while level and depth < DEEPEST:
        level = [part for whole in level for part in _parts(whole)]
        depth += 1
    return bool(level)


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    if isinstance(value, list):
        return value
    return ()


def _told(message: Mapping[str, Any], error: Exception) -> str:
    """Return what cannot be JSON, with its place; the encoder's own words where it is too deep."""
    try:
        return next(_misplaced(message, "", frozenset()), str(error))
    except RecursionError:
        return str(error)


def _plain(value: object) -> object:
    """Return what stands for an object that JSON does not know.

    Raises:
        TypeError: nothing does; the message is its type.
        ValueError: a pydantic model holds what cannot be JSON.
    """
    if isinstance(value, type):
        raise TypeError("a type")
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json", by_alias=True)
    raise TypeError(type(value).__name__)


_ENCODER = json.JSONEncoder(default=_plain, allow_nan=False)

_KEYS = str | int | float | None


def _misplaced(value: object, place: str, above: frozenset[int]) -> Iterator[str]:
    """Yield what is no JSON in a value, each with its place; `above` are the values around it."""
    if isinstance(value, float) and not isfinite(value):
        yield f"{place} is {_NAMES[str(value)]}"
    if value is None or isinstance(value, str | int | float):
        return
    if id(value) in above:
        yield f"{place} holds itself"
        return
    inside = above | {id(value)}
    if isinstance(value, dict):
        for key, part in value.items():
            if not isinstance(key, _KEYS):
                yield f"{place} has the key {key!r}"
            yield from _misplaced(part, f"{place}.{key}".removeprefix("."), inside)
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from _misplaced(part, f"{place}[{index}]", inside)
    else:
        yield from _misplaced_object(value, place, inside)


_NAMES = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _misplaced_object(
    value: object, place: str, above: frozenset[int]
) -> Iterator[str]:
    try:
        plain = _plain(value)
    except TypeError as error:
        yield f"{place} is a value of type {error}"
    except ValueError as error:
        yield f"{place}: {error}"
    else:
        yield from _misplaced(plain, place, above)
