"""The fast path: schemas of plain keywords, compiled to functions that accept most valid values.

Most launches are valid, and most schemas have only names, types and ranges. If a schema has other
keywords, or a value is not accepted here, the thorough validator decides: it alone reports what is
wrong, and counts steps. A value is accepted only if that validator's budget would have sufficed.
"""

import operator
from collections.abc import Callable, Sized
from dataclasses import dataclass
from typing import Any

import orjson

from domain.json_values import Json, JsonObject, canonical
from domain.schema.budget import MAX_STEPS
from domain.schema.formats import is_impossible_moment

_Check = Callable[[Any], bool]


class _NotPlainError(Exception):
    """The schema has a keyword that only the thorough validator knows."""


@dataclass(frozen=True)
class PlainSchema:
    """A compiled schema.

    Attributes:
        most_steps: an upper bound of the steps that any part of the schema costs the thorough
            validator, apart from the value's size.
    """

    check: _Check
    most_steps: int

    def certainly_allows(self, value: Json) -> bool:
        """Return whether the thorough validator would certainly accept the value."""
        try:
            size = len(orjson.dumps(value))
        except TypeError:  # It is no JSON.
            return False
        # Each part has at least a byte and a comma, colon or bracket; each is visited once.
        parts = size // 2 + 1
        steps_a_part = self.most_steps + size // 4
        if parts * steps_a_part > MAX_STEPS:
            return False
        return self.check(value)


def compile_plain(schema: JsonObject) -> PlainSchema | None:
    """Return the compiled schema, None if it has other than plain keywords."""
    costs: list[int] = []
    # The dialect does not matter: dialects differ in keywords that are not plain, or that are
    # checked more strictly here.
    keywords = dict(schema)
    keywords.pop("$schema", None)
    try:
        check = _part(keywords, costs)
    except _NotPlainError:
        return None
    return PlainSchema(check, max(costs))


def _part(schema: Json, costs: list[int]) -> _Check:
    if isinstance(schema, bool):
        costs.append(1)
        return lambda _: schema
    if not isinstance(schema, dict) or not schema.keys() <= _UNDERSTOOD:
        raise _NotPlainError
    cost = 4
    checks: list[_Check] = []
    for name, argument in schema.items():
        cost += _cost(name, argument)
        keyword = _KEYWORDS.get(name)
        if keyword is not None:
            checks.append(keyword(argument))
    costs.append(cost)
    if "properties" in schema or "additionalProperties" in schema:
        checks.append(_members(schema, costs))
    if "items" in schema:
        part = schema["items"]
        checks.append(_items(part, costs))
    return _all_of(checks)


def _cost(name: str, argument: Json) -> int:
    """Return an upper bound of a keyword's own steps."""
    if name in {"const", "enum"}:
        text = canonical(argument)
        return 4 + 2 * len(text)
    if isinstance(argument, dict | list | str):
        return 2 + len(argument)
    return 2


def _all_of(checks: list[_Check]) -> _Check:
    if len(checks) == 1:
        return checks[0]

    def check(value: Json) -> bool:
        for one in checks:  # noqa: SIM110 - a third faster than `all` over a generator
            if not one(value):
                return False
        return True

    return check


def _members(schema: JsonObject, costs: list[int]) -> _Check:
    named = schema.get("properties", {})
    if not isinstance(named, dict):
        raise _NotPlainError
    by_name: dict[str, _Check] = {}
    for name, part in named.items():
        by_name[name] = _part(part, costs)
    others = schema.get("additionalProperties", True)
    other = _part(others, costs)

    def check(value: Json) -> bool:
        if not isinstance(value, dict):
            return True
        for name, member in value.items():
            allows = by_name.get(name, other)
            if not allows(member):
                return False
        return True

    return check


def _items(part: Json, costs: list[int]) -> _Check:
    each = _part(part, costs)

    def check(value: Json) -> bool:
        if not isinstance(value, list):
            return True
        return all(map(each, value))

    return check


def _type(argument: Json) -> _Check:
    names = [argument]
    if isinstance(argument, list):
        names = argument
    # By the exact class: true is no number, and whether 1e300 is an integer depends on the dialect.
    classes: set[type] = set()
    for name in names:
        if not isinstance(name, str) or name not in _TYPES:
            raise _NotPlainError
        classes.update(_TYPES[name])
    return lambda value: type(value) in classes


_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
    "integer": (int,),
    "number": (int, float),
}


def _enum(argument: Json) -> _Check:
    if not isinstance(argument, list):
        raise _NotPlainError
    members: set[tuple[type, Json]] = set()
    for one in argument:
        if isinstance(one, _SIMPLE):
            member = (type(one), one)
            members.add(member)

    def check(value: Json) -> bool:
        if not isinstance(value, _SIMPLE):
            return False
        return (type(value), value) in members

    return check


_SIMPLE = (str, int, type(None))
"""Types whose values are equal only within the type; true and 1 differ by their classes."""


def _required(argument: Json) -> _Check:
    if not isinstance(argument, list):
        raise _NotPlainError
    names = {one for one in argument if isinstance(one, str)}

    def check(value: Json) -> bool:
        if not isinstance(value, dict):
            return True
        return names <= value.keys()

    return check


def _number(argument: Json) -> float:
    if isinstance(argument, bool) or not isinstance(argument, int | float):
        raise _NotPlainError  # Such as draft 4's `exclusiveMinimum: true`.
    return argument


_NUMBERS = frozenset((int, float))

_Holds = Callable[[float, float], bool]
"""Returns whether the first number is within the second, its bound."""


def _bounded_number(holds: _Holds) -> Callable[[Json], _Check]:
    """Return the keyword that compares numbers with a bound."""

    def keyword(argument: Json) -> _Check:
        bound = _number(argument)

        def check(value: Any) -> bool:
            if type(value) not in _NUMBERS:
                return True
            return holds(value, bound)

        return check

    return keyword


def _bounded_length(kind: type[Sized], holds: _Holds) -> Callable[[Json], _Check]:
    """Return the keyword that compares the lengths of values of this type with a bound."""

    def keyword(argument: Json) -> _Check:
        bound = _number(argument)

        def check(value: Json) -> bool:
            if not isinstance(value, kind):
                return True
            length = len(value)
            return holds(length, bound)

        return check

    return keyword


_KEYWORDS: dict[str, Callable[[Json], _Check]] = {
    "type": _type,
    "format": lambda name: lambda value: not is_impossible_moment(name, value),
    "enum": _enum,
    "const": lambda value: _enum([value]),
    "required": _required,
    "minimum": _bounded_number(operator.ge),
    "maximum": _bounded_number(operator.le),
    "exclusiveMinimum": _bounded_number(operator.gt),
    "exclusiveMaximum": _bounded_number(operator.lt),
    "minLength": _bounded_length(str, operator.ge),
    "maxLength": _bounded_length(str, operator.le),
    "minItems": _bounded_length(list, operator.ge),
    "maxItems": _bounded_length(list, operator.le),
    "minProperties": _bounded_length(dict, operator.ge),
    "maxProperties": _bounded_length(dict, operator.le),
}

_REMARKS = {
    "title",
    "description",
    "$comment",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "contentEncoding",
    "contentMediaType",
    "x-subject",
    "$defs",
    "definitions",
}
"""Keywords that check nothing. Definitions are used by references only, and these are not plain."""

_UNDERSTOOD = _REMARKS | _KEYWORDS.keys() | {"properties", "additionalProperties", "items"}
