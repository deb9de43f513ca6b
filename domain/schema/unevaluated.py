"""`unevaluatedItems` and `unevaluatedProperties`: what no other part of a schema has looked at.

The library looks each member up in a list, and follows references without end in sight; here it is
sets, and each step is paid for.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar, cast

from jsonschema.exceptions import ValidationError
from referencing.jsonschema import lookup_recursive_ref

from domain.json_values import Json, JsonObject
from domain.schema.budget import spend
from domain.schema.keywords import (
    MEMBERS_A_STEP,
    Checking,
    Found,
    Resolver,
    steps_to_resolve,
)
from domain.schema.patterns import found

_Items = list[Json]
_Place = TypeVar("_Place", int, str)
_Container = TypeVar("_Container", list[Json], dict[str, Json])
_Here = Callable[[Checking, _Container, JsonObject], set[_Place]]
"""What the keywords that stand in a schema itself look at."""


def unevaluated_items(
    validator: Checking, _: Json, instance: Json, schema: JsonObject
) -> Iterator[ValidationError]:
    """Check that each item was looked at by something."""
    if not isinstance(instance, list):
        return
    seen = _seen(_items_seen, validator, instance, schema)
    unseen: list[str] = []
    for index, item in enumerate(instance):
        if index not in seen:
            unseen.append(repr(item))
    yield from _unexpected("items", unseen)


def unevaluated_properties(
    validator: Checking, _: Json, instance: Json, schema: JsonObject
) -> Iterator[ValidationError]:
    """Check that each property was looked at by something."""
    if not isinstance(instance, dict):
        return
    seen = _seen(_properties_seen, validator, instance, schema)
    unseen = map(repr, instance.keys() - seen)
    yield from _unexpected("properties", sorted(unseen))


def _unexpected(what: str, names: list[str]) -> Iterator[ValidationError]:
    if names:
        verb = "was" if len(names) == 1 else "were"
        listed = ", ".join(names)
        yield ValidationError(
            f"Unevaluated {what} are not allowed ({listed} {verb} unexpected)"
        )


def _seen(
    here: _Here[_Container, _Place],
    validator: Checking,
    instance: _Container,
    schema: Json,
) -> set[_Place]:
    """Return the places that a schema looks at.

    So do all parts in it that hold for the instance, and all that it refers to.
    """
    if not isinstance(schema, dict):
        return set()
    seen = here(validator, instance, schema)
    for part in _holding(validator, instance, schema):
        seen |= _seen(here, validator, instance, part)
    for referring, target in _targets(validator, schema):
        seen |= _seen(here, referring, instance, target)
    members = len(schema) + len(seen)
    spend(1 + members // MEMBERS_A_STEP)
    return seen


def _items_seen(
    validator: Checking, instance: list[Json], schema: JsonObject
) -> set[int]:
    all_places = range(len(instance))
    items = schema.get("items")
    if isinstance(items, list):  # Before 2020-12: a schema for each of the first.
        first = items
        has_rest = "additionalItems" in schema
    else:
        first = cast("list[Json]", schema.get("prefixItems", []))
        has_rest = "items" in schema
    if has_rest:
        return set(all_places)
    seen = set(all_places[: len(first)])
    for keyword in {"contains", "unevaluatedItems"} & schema.keys():
        seen |= _places_holding(validator, enumerate(instance), schema[keyword])
    return seen


def _properties_seen(
    validator: Checking, instance: dict[str, Json], schema: JsonObject
) -> set[str]:
    seen = instance.keys() & _members(schema, "properties").keys()
    for pattern in _members(schema, "patternProperties"):
        seen.update(name for name in instance if found(pattern, name))
    for keyword in {"additionalProperties", "unevaluatedProperties"} & schema.keys():
        seen |= _places_holding(validator, instance.items(), schema[keyword])
    return seen


def _places_holding(
    validator: Checking, members: Iterable[tuple[_Place, Json]], schema: Json
) -> set[_Place]:
    """Return the places of those members for which a schema holds."""
    places: set[_Place] = set()
    for place, member in members:
        if _holds(validator, member, schema):
            places.add(place)
    return places


def _members(schema: JsonObject, keyword: str) -> JsonObject:
    return cast("JsonObject", schema.get(keyword, {}))


def _holding(validator: Checking, instance: Json, schema: JsonObject) -> Iterator[Json]:
    """Yield the parts of a schema that are about the same instance, and hold."""
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


def _targets(
    validator: Checking, schema: JsonObject
) -> Iterator[tuple[Checking, Json]]:
    """Yield what a schema refers to."""
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
            cast("Callable[[Resolver], Found]", lookup_recursive_ref)(resolver)
        )
    for target in targets:
        yield (
            validator.evolve(schema=target.contents, _resolver=target.resolver),
            target.contents,
        )


_REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})


def _holds(validator: Checking, instance: Json, schema: Json) -> bool:
    spend(1)
    return next(validator.descend(instance, schema), None) is None
