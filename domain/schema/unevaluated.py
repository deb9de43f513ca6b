"""`unevaluatedItems` and `unevaluatedProperties`: what no other part of a schema has looked at.

The library looks each member up in a list, and follows references without end in sight; here it is
sets, and each step is paid for.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar, cast

from jsonschema.exceptions import ValidationError
from referencing.jsonschema import lookup_recursive_ref

from domain.json_values import Json, JsonObject
from domain.schema.budget import spend
from domain.schema.keywords import MEMBERS_A_STEP, Checking, Found, Resolver
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
    if isinstance(instance, list):
        seen = _seen(_items_seen, validator, instance, schema)
        yield from _unexpected(
            "items", [repr(item) for index, item in enumerate(instance) if index not in seen]
        )


def unevaluated_properties(
    validator: Checking, _: Json, instance: Json, schema: JsonObject
) -> Iterator[ValidationError]:
    """Check that each property was looked at by something."""
    if isinstance(instance, dict):
        seen = _seen(_properties_seen, validator, instance, schema)
        yield from _unexpected(
            "properties", sorted(repr(name) for name in instance if name not in seen)
        )


def _unexpected(what: str, names: list[str]) -> Iterator[ValidationError]:
    if names:
        verb = "was" if len(names) == 1 else "were"
        yield ValidationError(
            f"Unevaluated {what} are not allowed ({', '.join(names)} {verb} unexpected)"
        )


def _seen(
    here: _Here[_Container, _Place], validator: Checking, instance: _Container, schema: Json
) -> set[_Place]:
    """Return the places that a schema, all in it that holds for the instance and all it refers to look at."""
    if not isinstance(schema, dict):
        return set()
    seen = here(validator, instance, schema)
    for part in _holding(validator, instance, schema):
        seen |= _seen(here, validator, instance, part)
    for referring, target in _targets(validator, schema):
        seen |= _seen(here, referring, instance, target)
    spend(1 + (len(schema) + len(seen)) // MEMBERS_A_STEP)
    return seen


def _items_seen(validator: Checking, instance: list[Json], schema: JsonObject) -> set[int]:
    items = schema.get("items")
    first = items if isinstance(items, list) else cast("list[Json]", schema.get("prefixItems", []))
    if "items" in schema and (first is not items or "additionalItems" in schema):
        return set(range(len(instance)))
    seen = set(range(min(len(first), len(instance))))
    for keyword in {"contains", "unevaluatedItems"} & schema.keys():
        seen.update(
            index for index, item in enumerate(instance) if _holds(validator, item, schema[keyword])
        )
    return seen


def _properties_seen(
    validator: Checking, instance: dict[str, Json], schema: JsonObject
) -> set[str]:
    seen = cast("JsonObject", schema.get("properties", {})).keys() & instance.keys()
    for pattern in cast("JsonObject", schema.get("patternProperties", {})):
        seen.update(name for name in instance if found(pattern, name))
    for keyword in {"additionalProperties", "unevaluatedProperties"} & schema.keys():
        seen.update(
            name for name, value in instance.items() if _holds(validator, value, schema[keyword])
        )
    return seen


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
        for name, part in cast("JsonObject", schema.get("dependentSchemas", {})).items():
            if name in instance:
                yield part


def _targets(validator: Checking, schema: JsonObject) -> Iterator[tuple[Checking, Json]]:
    """Yield what a schema refers to."""
    resolver = validator._resolver  # noqa: SLF001 - the library lends it to its own keywords only
    targets = [
        resolver.lookup(str(schema[keyword]))
        for keyword in ("$ref", "$dynamicRef")
        if keyword in schema
    ]
    if "$recursiveRef" in schema:
        targets.append(cast("Callable[[Resolver], Found]", lookup_recursive_ref)(resolver))
    for target in targets:
        yield validator.evolve(schema=target.contents, _resolver=target.resolver), target.contents


def _holds(validator: Checking, instance: Json, schema: Json) -> bool:
    spend(1)
    return next(validator.descend(instance, schema), None) is None
