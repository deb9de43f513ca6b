"""The dialects of JSON Schema, bounded by a budget.

First the keywords that are written anew (the library lets their effort grow faster than schema and
value) and the dialects with them; then violations as issues (`collected`), and references
(`resolver_of`, `Walk`), which lead to positions within the schema and never cause a download.

Every visit to a part of a schema, every keyword and every violation costs a part of the budget.
These dialects replace the library's own in this process, so that a `$schema` inside of a schema
leads to them, too.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, Protocol, TypeVar, cast

from jsonschema import FormatChecker, exceptions, validators
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import lookup_recursive_ref, specification_with

from domain.clock import is_impossible_moment
from domain.errors import Issue
from domain.json_values import Json, JsonObject, canonical, escape, normalise
from domain.schema.budget import MAX_STEPS, OverBudgetError, budget, spend
from domain.schema.patterns import PatternError, check_pattern, found

# Keywords written anew: regular expressions go through `patterns`, and whole values are compared by
# a key instead of with each other.

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


def pattern(_: Checking, wanted: str, instance: Json, __: JsonObject) -> Iterator[ValidationError]:
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
                yield from validator.descend(value, schema, path=name, schema_path=wanted)


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


def const(_: Checking, value: Json, instance: Json, __: JsonObject) -> Iterator[ValidationError]:
    """Check that the value equals a given one."""
    if _key(instance) != _key(value):
        yield ValidationError(f"{value!r} was expected")


def _key(value: Json) -> str:
    """Return what values share that JSON Schema calls equal: 1 and 1.0, but not 1 and true."""
    key = canonical(normalise(value)).decode()  # Not the bytes: orjson's take a thousand at least.
    spend(1 + len(key) // MEMBERS_A_STEP)
    return key


# `unevaluatedItems` and `unevaluatedProperties`: what no other part of a schema has evaluated.
#
# The library looks each member up in a list, and follows references without a limit; here they are
# sets, and each step is paid for.

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
        yield ValidationError(f"Unevaluated {what} are not allowed ({listed} {verb} unexpected)")


def _seen(
    here: _Here[_Container, _Place], validator: Checking, instance: _Container, schema: Json
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


def _items_seen(validator: Checking, instance: list[Json], schema: JsonObject) -> set[int]:
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


def _targets(validator: Checking, schema: JsonObject) -> Iterator[tuple[Checking, Json]]:
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
        targets.append(cast("Callable[[Resolver], Found]", lookup_recursive_ref)(resolver))
    for target in targets:
        yield (validator.evolve(schema=target.contents, _resolver=target.resolver), target.contents)


_REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})


def _holds(validator: Checking, instance: Json, schema: Json) -> bool:
    spend(1)
    return next(validator.descend(instance, schema), None) is None


MAX_MESSAGE = 500
"""The library quotes the whole offending value, which may be a megabyte."""

_VIOLATION_STEPS = 20

_Keyword = Callable[[Checking, Any, Json, JsonObject], Iterable[ValidationError] | None]

_OURS: Mapping[str, _Keyword] = {
    "additionalProperties": additional_properties,
    "const": const,
    "enum": enum,
    "pattern": pattern,
    "patternProperties": pattern_properties,
    "required": required,
    "type": type_,
    "unevaluatedItems": unevaluated_items,
    "unevaluatedProperties": unevaluated_properties,
    "uniqueItems": unique_items,
}

_PATTERNS_ONLY = FormatChecker(formats=())
"""What a schema itself is checked for. In clients' schemas `format` is a remark, except that a date
must be one of the calendar (`is_impossible_moment`)."""


@_PATTERNS_ONLY.checks("regex", raises=PatternError)
def _is_pattern(value: object) -> bool:
    if isinstance(value, str):
        check_pattern(value)
    return True


def dialect(name: str) -> type[Validator] | None:
    """Return the bounded dialect of this name, None where none is known."""
    try:
        # The library's stubs leave out that None is a fine default.
        found = validators.validator_for({"$schema": name}, default=None)  # type: ignore[arg-type]
    except ValueError:  # It is no URI.
        return None
    return found if found in _BOUNDED else None


def shortened(message: str) -> str:
    """Return the message without its middle where it is long."""
    if len(message) <= MAX_MESSAGE:
        return message
    half = MAX_MESSAGE // 2
    return f"{message[:half]} … {message[-half:]}"


def _bounded(library: Any, *, reference_alone: bool) -> type[Validator]:
    """Return the dialect with each of its keywords bounded, and register it under its name.

    Args:
        library: the dialect as the library has it.
        reference_alone: whether nothing counts beside a `$ref`.
    """
    keywords: dict[str, _Keyword] = {}
    for name, check in library.VALIDATORS.items():
        ours = _with_calendar(check) if name == "format" else _OURS.get(name, check)
        keywords[name] = _paying(name, ours)
    # The stubs know less than its documentation.
    create = cast("Callable[..., type[Validator]]", validators.create)
    return create(
        meta_schema=library.META_SCHEMA,
        validators=keywords,
        version=f"bounded {library.__name__}",
        type_checker=library.TYPE_CHECKER,
        format_checker=_PATTERNS_ONLY,
        id_of=library.ID_OF,
        applicable_validators=_reference_alone if reference_alone else _all_keywords,
    )


def _with_calendar(check: _Keyword) -> _Keyword:
    """Return the keyword `format` such that it refuses dates that no calendar has."""

    def format_(
        validator: Checking, value: Json, instance: Json, schema: JsonObject
    ) -> Iterator[ValidationError]:
        yield from check(validator, value, instance, schema) or ()
        if is_impossible_moment(value, instance):
            yield ValidationError(f"{instance!r} is no {value} that a calendar has")

    return format_


def _paying(name: str, check: _Keyword) -> _Keyword:
    """Return the keyword such that it pays for what it may visit, and for each violation."""
    priced_by_key = name in {"const", "enum"}
    is_dynamic = name in {"$dynamicRef", "$recursiveRef"}
    is_reference = is_dynamic or name == "$ref"

    def paying(
        validator: Checking, value: Json, instance: Json, schema: JsonObject
    ) -> Iterator[ValidationError]:
        steps = 1
        if not priced_by_key:
            steps += _steps_over(value)
            if not isinstance(instance, str):
                steps += _steps_over(instance)
        if is_reference:
            steps += steps_to_resolve(validator)
        if is_dynamic:
            steps += sum(1 for _ in validator._resolver.dynamic_scope())  # noqa: SLF001 - as in `schema_evaluated`
        spend(steps)
        for violation in check(validator, value, instance, schema) or ():
            spend(_VIOLATION_STEPS + _steps_over(violation.message))
            violation.message = shortened(violation.message)
            yield violation

    return paying


def _all_keywords(schema: JsonObject) -> Iterable[tuple[str, Json]]:
    steps = _steps_over(schema) + _steps_over(schema.get("$id"))
    spend(1 + steps)
    return schema.items()


def _reference_alone(schema: JsonObject) -> Iterable[tuple[str, Json]]:
    reference = schema.get("$ref")
    names = _steps_over(schema.get("$id")) + _steps_over(schema.get("id"))
    spend(1 + _steps_over(schema) + names)
    if reference is None:
        return schema.items()
    return [("$ref", reference)]


def _steps_over(value: Json) -> int:
    if isinstance(value, _SIZED):
        return len(value) // MEMBERS_A_STEP
    return 0


_SIZED = (dict, list, str)
"""A tuple: `dict | list | str` would be put together anew each time, a hundred times a launch."""


_BOUNDED = {
    _bounded(validators.Draft4Validator, reference_alone=True),
    _bounded(validators.Draft6Validator, reference_alone=True),
    _bounded(validators.Draft7Validator, reference_alone=True),
    _bounded(validators.Draft201909Validator, reference_alone=False),
    _bounded(validators.Draft202012Validator, reference_alone=False),
}
"""Without draft 3, which lets through what the library then stumbles over, such as a type that
nobody knows."""


MAX_ISSUES = 100
"""More violations than this help nobody, and one array of wrong items could yield a million."""


def collected(validator: Validator, value: Json, path: str) -> list[Issue]:
    """Return how the value breaks the validator's schema, each with its JSON Pointer below `path`.

    Raises:
        OverBudgetError: to find out takes too much effort.
    """
    issues: list[Issue] = []
    try:
        for error in validator.iter_errors(value):
            issue = _issue(error, path)
            if issue not in issues:
                # In newer dialects each vocabulary may say the same.
                issues.append(issue)
            if len(issues) == MAX_ISSUES:
                break
    except OverBudgetError:
        raise
    except RecursionError:
        message = "the schema's references lead too deep, or back to themselves without end"
        return [Issue(path, message, "$ref")]
    except Exception as error:  # noqa: BLE001 - what breaks in a schema is its client's to mend
        message = f"the schema cannot be applied: {shortened(str(error))}"
        return [Issue(path, message, "$schema")]
    return issues


def meta_issues(schema: Json, name: str, path: str) -> list[Issue]:
    """Return how a schema breaks the schema of its dialect."""
    return collected(_meta_validator(name), schema, path)


@lru_cache(maxsize=16)
def _meta_validator(name: str) -> Validator:
    found = cast("type[Validator]", dialect(name))
    return found(found.META_SCHEMA, format_checker=found.FORMAT_CHECKER)


def _issue(error: exceptions.ValidationError, path: str) -> Issue:
    pointer = path
    for part in error.absolute_path:
        pointer += f"/{escape(str(part))}"
    message = error.message
    if error.cause is not None:
        message += f": {error.cause}"
    rule = canonical(cast("Json", error.validator_value)).decode()
    return Issue(pointer, shortened(message), str(error.validator), shortened(rule))


def too_costly(error: OverBudgetError, value: Json, path: str) -> Issue:
    """Return what to tell whoever gave the schema: what takes too much effort, and where."""
    if error.pattern is None or error.text is None:
        message = (
            f"takes more than {MAX_STEPS} steps to check;"
            " make the schema simpler or what it checks smaller"
        )
        return Issue(path, message, "maxSteps")
    message = (
        f"the regular expression {shortened(error.pattern)!r} takes too long here;"
        " rewrite it without repetitions inside of repetitions, or limit the length of the text"
    )
    place = path + _place(value, error.text)
    rule = f"{shortened(error.pattern)} takes too long to match"
    return Issue(place, message, "pattern", rule)


def _place(value: Json, text: str) -> str:
    """Return the JSON Pointer of a text, which is a value or a property's name in there.

    It is "" where the text is neither.
    """
    waiting: deque[tuple[_Way, Json]] = deque([(None, value)])
    while waiting:
        way, found = waiting.popleft()
        if found is text:
            return _pointer(way)
        for key, member in _members_of(found):
            below = (way, key)
            if key is text:
                return _pointer(below)
            waiting.append((below, member))
    return ""


_Way = tuple["_Way", str | int] | None
"""To a part: the way to what holds it, and its key there. Pointers would each hold all keys."""


def _pointer(way: _Way) -> str:
    parts: list[str] = []
    while way is not None:
        way, key = way
        parts.append(f"/{escape(str(key))}")
    return "".join(reversed(parts))


def _members_of(value: Json) -> Iterable[tuple[str | int, Json]]:
    if isinstance(value, dict):
        return value.items()
    if isinstance(value, list):
        return enumerate(value)
    return ()


def resolver_of(root: Resource[Json]) -> Resolver:
    """Return what resolves a schema's references: within it, never by a download.

    Its anchors are found beforehand.
    """
    base_uri = root.id() or ""
    registry: Registry[Json] = Registry().with_resource(base_uri, root)
    # The library's, over a list of names among draft 7's `dependencies`.
    with suppress(AttributeError):
        registry = registry.crawl()
    return cast("Resolver", registry.resolver(base_uri))


def _pay_for_uris(part: Json, base: int) -> None:
    """Pay for putting together the URIs of a schema's parts, and of what they refer to.

    The library goes through the whole base of each, and finds all anchors before anything else.

    Args:
        part: of a schema.
        base: how long the base may be at most.
    """
    inner: Iterable[Json] = ()
    if isinstance(part, list):
        inner = part
    if isinstance(part, dict):
        inner = part.values()
        for keyword in ("$id", "id"):
            own = part.get(keyword)
            if isinstance(own, str):
                base += len(own)
        if not part.keys().isdisjoint(_URIS):
            spend(base // MEMBERS_A_STEP)
    for one in inner:
        _pay_for_uris(one, base)


_URIS = frozenset({"$id", "id", "$ref", "$dynamicRef", "$recursiveRef"})


class Walk:
    """Visits a valid schema and all that its references lead to.

    The dialect's own schema may never have seen what they lead to.
    """

    def __init__(self, name: str, path: str) -> None:
        self._name = name
        self._path = path
        self._seen: set[int] = set()

    def issues_of(self, schema: JsonObject) -> Iterator[Issue]:
        """Yield what is wrong with the schema's references, and with what they lead to."""
        _pay_for_uris(schema, 0)
        specification = specification_with(self._name)
        root: Resource[Json] = specification.create_resource(schema)
        resolver = resolver_of(root)
        yield from self._below(root, resolver, self._name)

    def _below(self, resource: Resource[Json], resolver: Resolver, name: str) -> Iterator[Issue]:
        contents = resource.contents
        spend(1)
        if isinstance(contents, dict):
            if id(contents) in self._seen:
                return
            self._seen.add(id(contents))
            inner = str(contents.get("$schema", name))
            if inner != name:
                wrong = self._dialect_issues(contents, inner)
                if wrong:
                    yield from wrong
                    return
                name = inner
            yield from self._pattern_issues(contents)
            for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
                reference = contents.get(keyword)
                if isinstance(reference, str):
                    yield from self._behind(keyword, reference, resolver, name)
        for sub in resource.subresources():
            if not isinstance(sub.contents, dict | bool):
                # A list of names among draft 7's `dependencies`, which the library takes for a
                # schema.
                continue
            yield from self._below(sub, resolver.in_subresource(sub), name)

    def _behind(
        self, keyword: str, reference: str, resolver: Resolver, name: str
    ) -> Iterator[Issue]:
        try:
            found = resolver.lookup(reference)
        except (Unresolvable, ValueError, AttributeError):
            # The last is the library's, over such a list of names.
            found = None
        if found is None or not isinstance(found.contents, dict | bool):
            message = (
                f"{reference!r} leads to no schema inside this one;"
                " only references within it are followed"
            )
            yield Issue(self._path, message, keyword)
            return
        target = found.contents
        if id(target) in self._seen:
            return
        wrong = meta_issues(target, name, "")
        for issue in wrong:
            place = issue.path or "/"
            message = f"{reference!r} leads to what is no schema: at {place}, {issue.message}"
            yield Issue(self._path, message, issue.keyword)
        if not wrong:
            resource = specification_with(name).create_resource(target)
            yield from self._below(resource, found.resolver, name)

    def _dialect_issues(self, contents: JsonObject, name: str) -> list[Issue]:
        if dialect(name) is None:
            return [Issue(self._path, f"unknown dialect {name!r} in a part of it", "$schema")]
        return meta_issues(contents, name, self._path)

    def _pattern_issues(self, contents: JsonObject) -> Iterator[Issue]:
        # Dialects before draft 7 leave these names unchecked.
        patterns = contents.get("patternProperties")
        if not isinstance(patterns, dict):
            return
        for pattern in patterns:
            try:
                check_pattern(pattern)
            except PatternError as error:
                message = f"{shortened(pattern)!r} is not a 'regex': {error}"
                yield Issue(self._path, message, "patternProperties")
