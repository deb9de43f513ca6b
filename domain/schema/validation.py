"""Parameters against JSON Schemas: checked at registration, applied at launch. Nothing is ever fetched, nor endless."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from typing import cast

import orjson
from jsonschema import exceptions
from jsonschema.protocols import Validator
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import specification_with

from domain.errors import Issue
from domain.json_values import Json, JsonObject, canonical, escape
from domain.recent import Recent
from domain.schema.budget import MAX_STEPS, OverBudgetError, limited, spend
from domain.schema.dialects import dialect, shortened
from domain.schema.fast_path import Plain
from domain.schema.fast_path import compiled as plain_check
from domain.schema.keywords import Resolver
from domain.schema.patterns import PatternError, check_pattern

DEFAULT_DIALECT = "https://json-schema.org/draft/2020-12/schema"

MAX_ISSUES = 100
"""More violations than this help nobody, and one array of wrong items could yield a million."""


def schema_issues(schema: JsonObject, path: str) -> list[Issue]:
    """Return why this is no usable JSON Schema: unknown dialect, broken keywords, references that lead nowhere.

    Args:
        schema: the schema, normalised.
        path: JSON Pointer of the schema in the body, such as `/parametersSchema`.
    """
    name = schema.get("$schema", DEFAULT_DIALECT)
    if not isinstance(name, str) or dialect(name) is None:
        return [
            Issue(
                f"{path}/$schema",
                f"unknown dialect {name!r}; use for example {DEFAULT_DIALECT}",
                "$schema",
            )
        ]
    try:
        with limited():
            return _meta_issues(schema, name, path) or list(
                islice(_Walk(name, path).issues_of(schema), MAX_ISSUES)
            )
    except OverBudgetError as error:
        return [_too_costly(error, schema, path)]
    except RecursionError:
        return [Issue(path, "its references lead too deep", "$ref")]
    except ValueError as error:
        return [Issue(path, f"an identifier in it is no URI: {error}", "$id")]


def merged(defaults: JsonObject, given: JsonObject) -> JsonObject:
    """Return the defaults, overridden key by key at the top level."""
    return {**defaults, **given}


def violations(schema: JsonObject, value: Json, path: str) -> list[Issue]:
    """Return every way in which the value breaks the schema, each with its JSON Pointer below `path`.

    A check that takes too much effort is a violation, too.
    """
    plain, validator = quick_and_thorough(schema)
    return (
        []
        if plain is not None and plain.certainly_allows(value)
        else thorough_violations(validator, value, path)
    )


def thorough_violations(validator: Validator, value: Json, path: str) -> list[Issue]:
    """Return the same without the quick yes of `schema_plain`."""
    try:
        with limited():
            return _collect(validator, value, path)
    except OverBudgetError as error:
        return [_too_costly(error, value, path)]


_Checks = tuple[Plain | None, Validator]


def quick_and_thorough(schema: JsonObject) -> _Checks:
    """Return what checks by the schema; schemas of definitions that are kept in memory are recognised as objects."""
    known = _recent.get(id(schema))
    if known is not None and known[0] is schema:
        return known[1]
    text = canonical(schema)
    checks = _compiled.get(text)
    if checks is None:
        checks = _compile(text)
        _compiled.keep(text, checks, len(text))
    _recent.keep(id(schema), (schema, checks), len(text))
    return checks


MAX_SCHEMA_BYTES = 1_048_576
"""Texts of schemas that are kept compiled. Compiled they take up to a hundred times as much, mostly
some fifty times."""

_compiled = Recent[bytes, _Checks](MAX_SCHEMA_BYTES)
"""By the schema's canonical text."""

_recent = Recent[int, tuple[JsonObject, _Checks]](MAX_SCHEMA_BYTES)
"""By identity, with the object itself, so that no other one can get its identity. Nobody changes a
schema."""


def _compile(schema_text: bytes) -> _Checks:
    schema: JsonObject = orjson.loads(schema_text)
    name = str(schema.get("$schema", DEFAULT_DIALECT))
    resolver = _resolver_of(specification_with(name).create_resource(schema))
    return plain_check(schema), cast("Callable[..., Validator]", dialect(name))(
        schema, _resolver=resolver
    )


def _resolver_of(root: Resource[Json]) -> Resolver:
    """Return what resolves a schema's references: within it, never by a download; its anchors are found beforehand."""
    base_uri = root.id() or ""
    registry: Registry[Json] = Registry().with_resource(base_uri, root)
    # The library's, over a list of names among draft 7's `dependencies`.
    with suppress(AttributeError):
        registry = registry.crawl()
    return cast("Resolver", registry.resolver(base_uri))


def _collect(validator: Validator, value: Json, path: str) -> list[Issue]:
    issues: list[Issue] = []
    try:
        for error in validator.iter_errors(value):
            issue = _issue(error, path)
            if issue not in issues:  # The newer dialects' schemas say the same once a vocabulary.
                issues.append(issue)
            if len(issues) == MAX_ISSUES:
                break
    except OverBudgetError:
        raise
    except RecursionError:
        return [
            Issue(
                path,
                "the schema's references lead too deep, or back to themselves without end",
                "$ref",
            )
        ]
    except Exception as error:  # noqa: BLE001 - a schema is a client's program: what breaks in it is the client's to mend
        return [Issue(path, f"the schema cannot be applied: {shortened(str(error))}", "$schema")]
    return issues


def _meta_issues(schema: Json, name: str, path: str) -> list[Issue]:
    return _collect(_meta_validator(name), schema, path)


@lru_cache(maxsize=16)
def _meta_validator(name: str) -> Validator:
    validator_class = cast("type[Validator]", dialect(name))
    return validator_class(
        validator_class.META_SCHEMA, format_checker=validator_class.FORMAT_CHECKER
    )


def _issue(error: exceptions.ValidationError, path: str) -> Issue:
    pointer = path + "".join(f"/{escape(str(part))}" for part in error.absolute_path)
    message = error.message if error.cause is None else f"{error.message}: {error.cause}"
    return Issue(pointer, shortened(message), str(error.validator))


def _too_costly(error: OverBudgetError, value: Json, path: str) -> Issue:
    if error.pattern is None or error.text is None:
        message = f"takes more than {MAX_STEPS} steps to check; make the schema simpler or what it checks smaller"
        return Issue(path, message, "maxSteps")
    message = (
        f"the regular expression {shortened(error.pattern)!r} takes too long here;"
        " rewrite it without repetitions inside of repetitions, or limit the length of the text"
    )
    return Issue(path + _place(value, error.text), message, "pattern")


def _place(value: Json, text: str) -> str:
    """Return the JSON Pointer of a text, which is a value or a property's name in there; "" where it is neither."""
    waiting = deque([("", value)])
    while waiting:
        pointer, found = waiting.popleft()
        if found is text:
            return pointer
        members = (
            found.items()
            if isinstance(found, dict)
            else enumerate(found if isinstance(found, list) else ())
        )
        for key, member in members:
            below = f"{pointer}/{escape(str(key))}"
            if key is text:
                return below
            waiting.append((below, member))
    return ""


class _Walk:
    """Visits a valid schema and all that its references lead to, which the dialect's own schema may never have seen."""

    def __init__(self, name: str, path: str) -> None:
        self._name = name
        self._path = path
        self._seen: set[int] = set()

    def issues_of(self, schema: JsonObject) -> Iterator[Issue]:
        """Yield what is wrong with the schema's references, and with what they lead to."""
        root: Resource[Json] = specification_with(self._name).create_resource(schema)
        yield from self._below(root, _resolver_of(root), self._name)

    def _below(self, resource: Resource[Json], resolver: Resolver, name: str) -> Iterator[Issue]:
        contents = resource.contents
        spend(1)
        if isinstance(contents, dict):
            if id(contents) in self._seen:
                return
            self._seen.add(id(contents))
            inner = str(contents.get("$schema", name))
            wrong = self._dialect_issues(contents, inner) if inner != name else []
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
            message = f"{reference!r} leads to no schema inside this one; only references within it are followed"
            yield Issue(self._path, message, keyword)
        elif id(found.contents) not in self._seen:
            wrong = _meta_issues(found.contents, name, "")
            for issue in wrong:
                message = f"{reference!r} leads to what is no schema: at {issue.path or '/'}, {issue.message}"
                yield Issue(self._path, message, issue.keyword)
            if not wrong:
                target = specification_with(name).create_resource(found.contents)
                yield from self._below(target, found.resolver, name)

    def _dialect_issues(self, contents: JsonObject, name: str) -> list[Issue]:
        if dialect(name) is None:
            return [Issue(self._path, f"unknown dialect {name!r} in a part of it", "$schema")]
        return _meta_issues(contents, name, self._path)

    def _pattern_issues(self, contents: JsonObject) -> Iterator[Issue]:
        # Dialects before draft 7 leave these names unchecked.
        patterns = contents.get("patternProperties")
        for pattern in patterns if isinstance(patterns, dict) else ():
            try:
                check_pattern(pattern)
            except PatternError as error:
                yield Issue(
                    self._path,
                    f"{shortened(pattern)!r} is not a 'regex': {error}",
                    "patternProperties",
                )
