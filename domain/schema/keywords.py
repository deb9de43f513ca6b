"""Keywords of JSON Schema that replace the library's, which cost too much.

The effort of the library's keywords grows faster than schema and value. Here regular expressions go
through `patterns`, whole values are compared by a key instead of with each other, and each step is
paid for from the budget.
"""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Protocol, TypeVar, cast

from jsonschema.exceptions import ValidationError
from referencing import Resource
from referencing.jsonschema import lookup_recursive_ref

from domain.json_values import Json, JsonObject, canonical, normalise
from domain.schema.budget import budget, spend
from domain.schema.patterns import matches

MEMBERS_A_STEP = 16
"""Members of a list or an object, or bytes, that cost one step."""


class Resolver(Protocol):
    """The part of the library's resolver that is used here."""

    @property
    def _base_uri(self) -> str: ...
    def lookup(self, ref: str) -> "ResolvedReference": ...  # noqa: D102
    def in_subresource(self, subresource: Resource[Json]) -> "Resolver": ...  # noqa: D102
    def dynamic_scope(self) -> Iterable[object]: ...  # noqa: D102


class ResolvedReference(Protocol):
    """The target of a reference, and the resolver of the references in it."""

    @property
    def contents(self) -> Json: ...  # noqa: D102
    @property
    def resolver(self) -> Resolver: ...  # noqa: D102


class Checking(Protocol):
    """The library's validator of a part of a schema, as keywords use it."""

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
    """Return the steps of a reference: the library copies the whole base URI."""
    base = validator._resolver._base_uri  # noqa: SLF001 - as in `unevaluated`
    return len(base) // MEMBERS_A_STEP


def type_(
    validator: Checking, types: Json, instance: Json, _: JsonObject
) -> Iterator[ValidationError]:
    """Check the type; most schemas allow only one, which needs no list."""
    if isinstance(types, str):
        if not validator.is_type(instance, types):
            yield ValidationError(f"{_shown(instance)} is not of type {types!r}")
        return
    allowed = cast("list[str]", types)
    if any(validator.is_type(instance, one) for one in allowed):
        return
    names = ", ".join(map(repr, allowed))
    yield ValidationError(f"{_shown(instance)} is not of type {names}")


def _shown(value: Json) -> str:
    """Return a value for a message: `null`, `true` and `false` in JSON's words, not in Python's."""
    if value is None or isinstance(value, bool):
        return canonical(value).decode()
    return repr(value)


def multiple_of(
    validator: Checking, divisor: float, instance: Json, _: JsonObject
) -> Iterator[ValidationError]:
    """Check that a number is a multiple of another one, as both are written.

    In binary 0.3 is no multiple of 0.1, nor 19.99 of 0.01.
    """
    if not validator.is_type(instance, "number"):
        return
    if Fraction(str(instance)) % Fraction(str(divisor)):
        yield ValidationError(f"{instance!r} is not a multiple of {divisor!r}")


def pattern(_: Checking, regex: str, instance: Json, __: JsonObject) -> Iterator[ValidationError]:
    """Check that a text matches a pattern."""
    if isinstance(instance, str) and not matches(regex, instance):
        yield ValidationError(f"{instance!r} does not match {regex!r}")


def properties(
    validator: Checking, schemas: JsonObject, instance: Json, _: JsonObject
) -> Iterator[ValidationError]:
    """Check the properties that are named."""
    if isinstance(instance, dict):
        for name, schema in schemas.items():
            if name in instance:
                yield from _member_errors(validator, instance, name, schema)


def _member_errors(
    validator: Checking, instance: JsonObject, name: str, schema: Json
) -> Iterator[ValidationError]:
    """Yield what is wrong with a member. The library does not say which one `false` forbids."""
    if schema is False:
        message = f"{name!r} is not allowed; leave it out"
        yield ValidationError(message, path=(name,), validator=FALSE, validator_value=False)
    else:
        yield from validator.descend(instance[name], schema, path=name, schema_path=name)


FALSE = "false schema"
"""The name of the rule that a schema `false` is."""


def pattern_properties(
    validator: Checking, schemas: JsonObject, instance: Json, _: JsonObject
) -> Iterator[ValidationError]:
    """Check the properties whose names match a pattern."""
    if not isinstance(instance, dict):
        return
    for regex, schema in schemas.items():
        for name in instance:
            if matches(regex, name):
                yield from _member_errors(validator, instance, name, schema)


def additional_properties(
    validator: Checking, allowed: Json, instance: Json, schema: JsonObject
) -> Iterator[ValidationError]:
    """Check the properties that neither `properties` nor `patternProperties` name."""
    if not isinstance(instance, dict) or allowed is True:
        return
    named = cast("JsonObject", schema.get("properties", {}))
    patterns = list(cast("JsonObject", schema.get("patternProperties", {})))
    extras = [
        name
        for name in instance
        if name not in named and not any(matches(regex, name) for regex in patterns)
    ]
    if allowed is not False:
        for name in extras:
            yield from validator.descend(instance[name], allowed, path=name)
    elif extras:
        yield ValidationError(_unexpected_sentence(extras, patterns))


def _unexpected_sentence(extras: list[str], patterns: list[str]) -> str:
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
    """Check that properties are given; each missing one is an error with its own path."""
    if isinstance(instance, dict):
        for name in names:
            if name not in instance:
                yield ValidationError(f"{name!r} is a required property", path=(name,))


def unique_items(
    _: Checking,
    is_required: bool,  # noqa: FBT001
    instance: Json,
    __: JsonObject,
) -> Iterator[ValidationError]:
    """Check that no item of a list equals another."""
    if not is_required or not isinstance(instance, list):
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
    cached = budget().members
    keys = cached.get(id(values))
    if keys is None:
        keys = frozenset(map(_key, values))
        cached[id(values)] = keys
    if _key(instance) not in keys:
        listed = ", ".join(map(_shown, values))
        yield ValidationError(f"{_shown(instance)} is not one of {listed}")


def const(_: Checking, value: Json, instance: Json, __: JsonObject) -> Iterator[ValidationError]:
    """Check that the value equals a given one."""
    if _key(instance) != _key(value):
        yield ValidationError(f"{_shown(value)} was expected")


def _key(value: Json) -> str:
    """Return a key that is the same for equal values: for 1 and 1.0, but not for 1 and true."""
    key = canonical(normalise(value)).decode()  # Not the bytes: orjson's take a thousand at least.
    spend(1 + len(key) // MEMBERS_A_STEP)
    return key


# `unevaluatedItems` and `unevaluatedProperties`: members that no other part of a schema evaluates.
#
# The library looks up each member in a list, and follows references without a limit; here members
# are in sets, and each step is paid for.

_Key = TypeVar("_Key", int, str)
_Container = TypeVar("_Container", list[Json], dict[str, Json])
_OwnKeywords = Callable[[Checking, _Container, JsonObject], set[_Key]]
"""Returns the members that the schema's own keywords evaluate, without those of its subschemas."""


def unevaluated_items(
    validator: Checking, _: Json, instance: Json, schema: JsonObject
) -> Iterator[ValidationError]:
    """Check that some part of the schema evaluates each item."""
    if not isinstance(instance, list):
        return
    evaluated = _evaluated(_evaluated_items, validator, instance, schema)
    others = [repr(item) for index, item in enumerate(instance) if index not in evaluated]
    yield from _unexpected("items", others)


def unevaluated_properties(
    validator: Checking, _: Json, instance: Json, schema: JsonObject
) -> Iterator[ValidationError]:
    """Check that some part of the schema evaluates each property."""
    if not isinstance(instance, dict):
        return
    evaluated = _evaluated(_evaluated_properties, validator, instance, schema)
    others = map(repr, instance.keys() - evaluated)
    yield from _unexpected("properties", sorted(others))


def _unexpected(what: str, names: list[str]) -> Iterator[ValidationError]:
    if names:
        verb = "was" if len(names) == 1 else "were"
        listed = ", ".join(names)
        yield ValidationError(f"Unevaluated {what} are not allowed ({listed} {verb} unexpected)")


def _evaluated(
    by_own: _OwnKeywords[_Container, _Key], validator: Checking, instance: _Container, schema: Json
) -> set[_Key]:
    """Return the indexes or names of the members that a schema evaluates.

    Subschemas that hold for the instance count, and so do the targets of references.
    """
    if not isinstance(schema, dict):
        return set()
    evaluated = by_own(validator, instance, schema)
    for part in _valid_parts(validator, instance, schema):
        evaluated |= _evaluated(by_own, validator, instance, part)
    for referring, target in _targets(validator, schema):
        evaluated |= _evaluated(by_own, referring, instance, target)
    members = len(schema) + len(evaluated)
    spend(1 + members // MEMBERS_A_STEP)
    return evaluated


def _evaluated_items(validator: Checking, instance: list[Json], schema: JsonObject) -> set[int]:
    indexes = range(len(instance))
    items = schema.get("items")
    if isinstance(items, list):  # Before 2020-12: a schema for each of the first.
        first = items
        has_rest = "additionalItems" in schema
    else:
        first = cast("list[Json]", schema.get("prefixItems", []))
        has_rest = "items" in schema
    if has_rest:
        return set(indexes)
    evaluated = set(indexes[: len(first)])
    for keyword in {"contains", "unevaluatedItems"} & schema.keys():
        evaluated |= _valid_members(validator, enumerate(instance), schema[keyword])
    return evaluated


def _evaluated_properties(
    validator: Checking, instance: dict[str, Json], schema: JsonObject
) -> set[str]:
    evaluated = instance.keys() & _members(schema, "properties").keys()
    for regex in _members(schema, "patternProperties"):
        evaluated.update(name for name in instance if matches(regex, name))
    for keyword in {"additionalProperties", "unevaluatedProperties"} & schema.keys():
        evaluated |= _valid_members(validator, instance.items(), schema[keyword])
    return evaluated


def _valid_members(
    validator: Checking, members: Iterable[tuple[_Key, Json]], schema: Json
) -> set[_Key]:
    """Return the indexes or names of the members for which a schema holds."""
    return {key for key, member in members if _holds(validator, member, schema)}


def _members(schema: JsonObject, keyword: str) -> JsonObject:
    return cast("JsonObject", schema.get(keyword, {}))


def _valid_parts(validator: Checking, instance: Json, schema: JsonObject) -> Iterator[Json]:
    """Yield the subschemas for the same instance that hold."""
    for keyword in ("allOf", "anyOf", "oneOf"):
        for part in cast("list[Json]", schema.get(keyword, [])):
            if _holds(validator, instance, part):
                yield part
    if "if" in schema:
        holds = _holds(validator, instance, schema["if"])
        if holds:
            yield schema["if"]
        yield schema.get("then" if holds else "else", True)
    if isinstance(instance, dict):
        for name, part in _members(schema, "dependentSchemas").items():
            if name in instance:
                yield part


def _targets(validator: Checking, schema: JsonObject) -> Iterator[tuple[Checking, Json]]:
    """Yield the targets of a schema's references."""
    resolver = validator._resolver  # noqa: SLF001 - the library lends it to its own keywords only
    if not schema.keys().isdisjoint(_REFERENCES):
        spend(steps_to_resolve(validator))
    targets = [
        resolver.lookup(str(schema[keyword]))
        for keyword in ("$ref", "$dynamicRef")
        if keyword in schema
    ]
    if "$recursiveRef" in schema:
        targets.append(
            cast("Callable[[Resolver], ResolvedReference]", lookup_recursive_ref)(resolver)
        )
    for target in targets:
        yield (validator.evolve(schema=target.contents, _resolver=target.resolver), target.contents)


_REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})


def _holds(validator: Checking, instance: Json, schema: Json) -> bool:
    spend(1)
    return next(validator.descend(instance, schema), None) is None
