"""Some keywords of JSON Schema, written anew.

The library lets their effort grow faster than schema and value. Here regular expressions go through
`patterns`, and whole values are compared by a key instead of with each other.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol, cast

from jsonschema.exceptions import ValidationError
from referencing import Resource

from domain.json_values import Json, JsonObject, canonical, normalise
from domain.schema.budget import budget, spend
from domain.schema.patterns import found

MEMBERS_A_STEP = 16
"""So many members of a list or an object, or bytes, cost a step."""


class Resolver(Protocol):
    """Finds what a reference leads to; the part of the library's that is used here."""

    @property
    def _base_uri(self) -> str: ...
    def lookup(self, ref: str) -> "Found": ...  # noqa: D102
    def in_subresource(self, subresource: Resource[Json]) -> "Resolver": ...  # noqa: D102
    def dynamic_scope(self) -> Iterable[object]: ...  # noqa: D102


class Found(Protocol):
    """What a reference leads to, and the resolver for the references in there."""

    @property
    def contents(self) -> Json: ...  # noqa: D102
    @property
    def resolver(self) -> Resolver: ...  # noqa: D102


class Checking(Protocol):
    """A part of a schema while a value is checked: the library's validator as keywords see it."""

    _resolver: Resolver

    def descend(  # noqa: D102
        self,
        instance: Json,
        schema: Json,
        path: str | int | None = None,
        schema_path: str | int | None = None,
    ) -> Iterator[ValidationError]: ...
    def is_type(self, instance: Json, type: str) -> bool: ...  # noqa: A002, D102 - the library's name
    def evolve(self, *, schema: Json, _resolver: Resolver) -> "Checking": ...  # noqa: D102


def steps_to_resolve(validator: Checking) -> int:
    """Return what a reference costs here: the library goes through the whole base of URIs."""
    base = validator._resolver._base_uri  # noqa: SLF001 - as in `unevaluated`
    return len(base) // MEMBERS_A_STEP


def type_(
    validator: Checking, wanted: Json, instance: Json, _: JsonObject
) -> Iterator[ValidationError]:
    """Check the type; one is mostly all that is wanted, and needs no list."""
    if isinstance(wanted, str):
        if not validator.is_type(instance, wanted):
            yield ValidationError(f"{instance!r} is not of type {wanted!r}")
        return
    types = cast("list[str]", wanted)
    for one in types:
        if validator.is_type(instance, one):
            return
    names = ", ".join(map(repr, types))
    yield ValidationError(f"{instance!r} is not of type {names}")


def pattern(
    _: Checking, wanted: str, instance: Json, __: JsonObject
) -> Iterator[ValidationError]:
    """Check that a text contains what the pattern describes."""
    if isinstance(instance, str) and not found(wanted, instance):
        yield ValidationError(f"{instance!r} does not match {wanted!r}")


def pattern_properties(
    validator: Checking, schemas: JsonObject, instance: Json, _: JsonObject
) -> Iterator[ValidationError]:
    """Check the properties whose names a pattern describes."""
    if not isinstance(instance, dict):
        return
    for wanted, schema in schemas.items():
        for name, value in instance.items():
            if found(wanted, name):
                yield from validator.descend(
                    value, schema, path=name, schema_path=wanted
                )


def additional_properties(
    validator: Checking, allowed: Json, instance: Json, schema: JsonObject
) -> Iterator[ValidationError]:
    """Check the properties that neither `properties` nor `patternProperties` know."""
    if not isinstance(instance, dict) or allowed is True:
        return
    known = cast("JsonObject", schema.get("properties", {}))
    patterns = list(cast("JsonObject", schema.get("patternProperties", {})))
    extras = [
        name
        for name in instance
        if name not in known and not any(found(wanted, name) for wanted in patterns)
    ]
    if allowed is not False:
        for name in extras:
            yield from validator.descend(instance[name], allowed, path=name)
    elif extras:
        yield ValidationError(_unexpected(extras, patterns))


def _unexpected(extras: list[str], patterns: list[str]) -> str:
    names = ", ".join(map(repr, sorted(extras)))
    is_one = len(extras) == 1
    if patterns:
        verb = "does" if is_one else "do"
        regexes = ", ".join(map(repr, sorted(patterns)))
        return f"{names} {verb} not match any of the regexes: {regexes}"
    verb = "was" if is_one else "were"
    return f"Additional properties are not allowed ({names} {verb} unexpected)"


def required(
    _: Checking, names: list[str], instance: Json, __: JsonObject
) -> Iterator[ValidationError]:
    """Check that properties are there; each that is not is pointed at."""
    if isinstance(instance, dict):
        for name in names:
            if name not in instance:
                yield ValidationError(f"{name!r} is a required property", path=(name,))


def unique_items(
    _: Checking,
    wanted: bool,  # noqa: FBT001
    instance: Json,
    __: JsonObject,
) -> Iterator[ValidationError]:
    """Check that no item of a list equals another."""
    if not wanted or not isinstance(instance, list):
        return
    seen: set[str] = set()
    for item in instance:
        key = _key(item)
        if key in seen:
            yield ValidationError(f"{instance!r} has non-unique elements")
            return
        seen.add(key)


def enum(
    _: Checking, values: list[Json], instance: Json, __: JsonObject
) -> Iterator[ValidationError]:
    """Check that the value equals one of some."""
    known = budget().members
    keys = known.get(id(values))
    if keys is None:
        keys = frozenset(map(_key, values))
        known[id(values)] = keys
    if _key(instance) not in keys:
        yield ValidationError(f"{instance!r} is not one of {values!r}")


def const(
    _: Checking, value: Json, instance: Json, __: JsonObject
) -> Iterator[ValidationError]:
    """Check that the value equals a given one."""
    if _key(instance) != _key(value):
        yield ValidationError(f"{value!r} was expected")


def _key(value: Json) -> str:
    """Return what values share that JSON Schema calls equal: 1 and 1.0, but not 1 and true."""
    key = canonical(
        normalise(value)
    ).decode()  # Not the bytes: orjson's take a thousand at least.
    spend(1 + len(key) // MEMBERS_A_STEP)
    return key
