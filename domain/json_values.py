"""JSON, normalised once before a command, so that log, tables and messages agree to the byte.

PostgreSQL's jsonb turns 1e5 into 100000 and -0.0 into 0.0, drops repeated keys, and refuses NUL
characters and lone surrogates; the codec refuses integers beyond 64 bits. What they would change or
refuse is changed or refused here, before anything is written.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from itertools import repeat
from typing import Any, cast

import orjson

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
JsonObject = dict[str, Json]

MAX_DEPTH = 64
"""Deeper nesting is refused. Real parameters have less than ten levels; Python's parser gives up at
about a thousand."""

NUL = "a NUL character, which cannot be stored; leave it out"

HALF_PAIR = "half a surrogate pair, which is no character; leave it out"

_MIN_INT, _MAX_INT = -(2**63), 2**64 - 1


class InvalidJsonError(ValueError):
    """A value that JSON or the database cannot hold.

    Attributes:
        pointer: the JSON Pointer of the offending value, "" for the whole document.
    """

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(message)
        self.pointer = pointer
        self.message = message


def parse(raw: bytes) -> Json:
    """Parse and normalise a JSON text.

    Raises:
        InvalidJsonError: not UTF-8, not JSON, a repeated key, NaN or Infinity, or what `normalise`
            refuses.
    """
    plain = _plain(raw)
    if plain is not None:
        return plain
    try:
        value = decode(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        message = f"the body is not UTF-8: {error.reason} at byte {error.start}"
        raise InvalidJsonError("", message) from None
    except json.JSONDecodeError as error:
        message = f"the body is not JSON: {error.msg} at character {error.pos}"
        raise InvalidJsonError("", message) from None
    except RecursionError:
        raise InvalidJsonError("", f"nested deeper than {MAX_DEPTH} levels") from None
    except InvalidJsonError:
        raise
    except ValueError:  # Python refuses to convert integers of more than 4300 digits.
        raise InvalidJsonError("", "a number has too many digits; send it as a string") from None
    if _is_normal(value):
        return value
    return normalise(value)


_UNUSUAL_NUMBER = re.compile(rb"[:,\[]-?[0-9]++(?:\.0(?![0-9])|(?:\.[0-9]++)?[eE])")
"""A float that may have to become an integer, as orjson writes it: `2.0` or `1e16`, never `2.5`. In
a list or object without blanks a number is after one of these characters."""


def _plain(raw: bytes) -> Json:
    """Return a list or object that certainly needs no change, None for other texts.

    A text that orjson writes exactly as it was has no repeated key and no integer beyond 64 bits.
    An escaped character may be NUL or half a surrogate pair.
    """
    if raw[:1] not in {b"{", b"["} or b"\\" in raw or _UNUSUAL_NUMBER.search(raw):
        return None
    try:
        value: Json = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    may_be_deep = raw.count(b"[") + raw.count(b"{") > MAX_DEPTH
    if may_be_deep and _is_nested_beyond(value, MAX_DEPTH):
        return None
    return value if orjson.dumps(value) == raw else None


def _is_nested_beyond(value: Json, levels: int) -> bool:
    """Return whether more lists and objects than `levels` are within each other."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    return levels == 0 or any(map(_is_nested_beyond, value, repeat(levels - 1)))


def normalise(value: object, pointer: str = "") -> Json:
    """Return the value as all of the system shows it, or raise InvalidJsonError.

    Integral floats within 64 bits become integers (-0.0 becomes 0); all else stays as it is.
    """
    try:
        return _normalised(value, 0)
    except InvalidJsonError as error:
        raise InvalidJsonError(f"{pointer}{error.pointer}", error.message) from None


def _normalised(value: object, depth: int) -> Json:
    """Return a part as `normalise` does; pointers in errors begin at the part.

    So pointers are built only for errors: a key may have half a megabyte, and hold a hundred
    thousand parts.
    """
    if isinstance(value, str):
        return _checked_text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if not _MIN_INT <= value <= _MAX_INT:
            raise InvalidJsonError("", "an integer beyond 64 bits; send it as a string")
        return value
    if isinstance(value, float):
        return _normalised_float(value)
    if depth >= MAX_DEPTH:
        raise InvalidJsonError("", f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        return {_checked_key(key): _member(key, item, depth) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_member(index, item, depth) for index, item in enumerate(value)]
    message = f"{type(value).__name__} is no JSON type"
    raise InvalidJsonError("", message)


def _is_normal(value: Json, depth: int = 0) -> bool:
    """Return whether `normalise` would certainly return a parsed value as it is.

    Most values are normal, and to check that is faster than to build them again.
    """
    if isinstance(value, str):
        return value.isascii() and "\x00" not in value
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, int):
        return _MIN_INT <= value <= _MAX_INT
    if isinstance(value, float) or depth >= MAX_DEPTH:
        return False
    members = value
    if isinstance(value, dict):
        members = [*value, *value.values()]
    return all(map(_is_normal, members, repeat(depth + 1)))


def _member(key: object, value: object, depth: int) -> Json:
    """Normalise the value of a key; for speed, first the cases that need no change."""
    if isinstance(value, str):
        if value.isascii() and "\x00" not in value:
            return value
    elif isinstance(value, int):  # True and False, too.
        if _MIN_INT <= value <= _MAX_INT:
            return value
    elif value is None:
        return None
    try:
        return _normalised(value, depth + 1)
    except InvalidJsonError as error:
        pointer = f"/{escape(str(key))}{error.pointer}"
        raise InvalidJsonError(pointer, error.message) from None


def normalised_object(value: Mapping[str, object], pointer: str = "") -> JsonObject:
    """Like `normalise`, for an object."""
    result = normalise(value, pointer)
    if not isinstance(result, dict):
        raise InvalidJsonError(pointer, "must be an object")
    return result


def canonical(value: Json) -> bytes:
    """Return a normalised value's text without spaces, with sorted keys: equal for equal values."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def differing(changes: dict[str, Any], old: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the changes that differ as JSON, where 1 is not true."""
    return {name: new for name, new in changes.items() if canonical(new) != canonical(old[name])}


def escape(key: str) -> str:
    """Return the key as one part of a JSON Pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def _checked_key(key: object) -> str:
    if not isinstance(key, str):
        raise InvalidJsonError("", "a key that is no string")
    return _checked_text(key)


def _checked_text(text: str) -> str:
    if "\x00" in text:
        raise InvalidJsonError("", NUL)
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise InvalidJsonError("", HALF_PAIR) from None
    return text


def _normalised_float(value: float) -> int | float:
    if not math.isfinite(value):
        raise InvalidJsonError("", "NaN, Infinity or a number out of range; send a string or null")
    if value.is_integer() and _MIN_INT <= value <= _MAX_INT:
        return int(value)
    return value


def _without_repeated_keys(pairs: list[tuple[str, Json]]) -> JsonObject:
    result = dict(pairs)
    if len(result) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        [(repeated, _)] = counts.most_common(1)
        raise InvalidJsonError("", f"the key {repeated!r} stands twice in one object")
    return result


def _refuse_constant(name: str) -> Json:
    raise InvalidJsonError("", f"{name} is no JSON; send a string or null")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_without_repeated_keys, parse_constant=_refuse_constant
)
"""`json.loads` would make a new one for each call."""


def decode(text: str) -> Json:
    """Return the value of a JSON text, which is not normalised yet.

    By itself `json` takes the last of two equal keys, as if the first one had not been written.

    Raises:
        json.JSONDecodeError: it is no JSON.
        InvalidJsonError: a key stands twice in an object, or there is NaN or Infinity.
        RecursionError: it is nested too deep.
    """
    if text.startswith("\ufeff"):
        # It complains of the byte order mark in plain words; the decoder would not.
        return cast("Json", json.loads(text))
    return cast("Json", _DECODER.decode(text))
