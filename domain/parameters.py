"""Parameters against JSON Schemas: checked at registration, applied at launch. Nothing is ever fetched."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Protocol, cast

import orjson
from jsonschema import Draft3Validator, exceptions, validators
from jsonschema.protocols import Validator
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import specification_with

from domain.errors import Issue
from domain.json_values import Json, JsonObject, canonical, escape

DEFAULT_DIALECT = "https://json-schema.org/draft/2020-12/schema"

MAX_ISSUES = 100
"""More violations than this help nobody, and one array of wrong items could yield a million."""


class _Found(Protocol):
    @property
    def contents(self) -> Json: ...

    @property
    def resolver(self) -> "_Resolver": ...


class _Resolver(Protocol):
    def lookup(self, ref: str) -> _Found: ...

    def in_subresource(self, subresource: Resource[Json]) -> "_Resolver": ...


def schema_issues(schema: JsonObject, path: str) -> list[Issue]:
    """Return why this is no usable JSON Schema: unknown dialect, broken keywords, references that lead nowhere.

    Args:
        schema: the schema, normalised.
        path: JSON Pointer of the schema in the body, such as `/parametersSchema`.
    """
    dialect = schema.get("$schema", DEFAULT_DIALECT)
    if not isinstance(dialect, str) or _validator_class(dialect) is None:
        return [Issue(f"{path}/$schema", f"unknown dialect {dialect!r}; use for example {DEFAULT_DIALECT}", "$schema")]
    try:
        return _meta_issues(schema, dialect, path) or list(_Walk(dialect, path).issues_of(schema))[:MAX_ISSUES]
    except ValueError as error:
        return [Issue(path, f"an identifier in it is no URI: {error}", "$id")]


def merged(defaults: JsonObject, given: JsonObject) -> JsonObject:
    """Return the defaults, overridden key by key at the top level."""
    return {**defaults, **given}


def violations(schema: JsonObject, value: Json, path: str) -> list[Issue]:
    """Return every way in which the value breaks the schema, each with its JSON Pointer below `path`."""
    return _collect(_compiled(canonical(schema)), value, path)


@lru_cache(maxsize=1024)
def _compiled(schema_text: bytes) -> Validator:
    schema: JsonObject = orjson.loads(schema_text)
    validator_class = _validator_class(str(schema.get("$schema", DEFAULT_DIALECT)))
    # An empty registry: a reference that is not inside the schema is an error, never a download.
    return cast("type[Validator]", validator_class)(schema, registry=Registry())


def _validator_class(dialect: str) -> type[Validator] | None:
    # The library's stubs leave out that None is a fine default.
    try:
        found = validators.validator_for({"$schema": dialect}, default=None)  # type: ignore[arg-type]
    except ValueError:  # It is no URI.
        return None
    # Draft 3 lets through what the library then stumbles over, such as a type that nobody knows.
    return None if found is Draft3Validator else cast("type[Validator] | None", found)


def _collect(validator: Validator, value: Json, path: str) -> list[Issue]:
    issues: list[Issue] = []
    try:
        for error in validator.iter_errors(value):
            issue = _issue(error, path)
            if issue not in issues:  # The newer dialects' schemas say the same once a vocabulary.
                issues.append(issue)
            if len(issues) == MAX_ISSUES:
                break
    except RecursionError:
        return [Issue(path, "the schema refers to itself without end", "$ref")]
    except Exception as error:  # noqa: BLE001 - a schema is a client's program: what breaks in it is the client's to mend
        return [Issue(path, f"the schema cannot be applied: {_shortened(str(error))}", "$schema")]
    return issues


def _meta_issues(schema: Json, dialect: str, path: str) -> list[Issue]:
    validator_class = cast("type[Validator]", _validator_class(dialect))
    meta = validator_class(validator_class.META_SCHEMA, format_checker=validator_class.FORMAT_CHECKER)
    return _collect(meta, schema, path)


def _issue(error: exceptions.ValidationError, path: str) -> Issue:
    pointer = path + "".join(f"/{escape(str(part))}" for part in error.absolute_path)
    keyword = str(error.validator)
    if keyword == "required":
        missing = [name for name in cast("list[str]", error.validator_value) if f"{name!r} is" in error.message]
        pointer += "".join(f"/{escape(name)}" for name in missing[:1])
    return Issue(pointer, _shortened(error.message), keyword)


def _shortened(message: str, limit: int = 500) -> str:
    # jsonschema quotes the whole offending value, which may be a megabyte.
    return message if len(message) <= limit else f"{message[: limit // 2]} … {message[-limit // 2 :]}"


class _Walk:
    """Visits a valid schema and all that its references lead to, which the dialect's own schema may never have seen."""

    def __init__(self, dialect: str, path: str) -> None:
        self._dialect = dialect
        self._path = path
        self._seen: set[int] = set()

    def issues_of(self, schema: JsonObject) -> Iterator[Issue]:
        """Yield what is wrong with the schema's references, and with what they lead to."""
        root: Resource[Json] = specification_with(self._dialect).create_resource(schema)
        base_uri = root.id() or ""
        registry: Registry[Json] = Registry().with_resource(base_uri, root)
        yield from self._below(root, cast("_Resolver", registry.resolver(base_uri)), self._dialect)

    def _below(self, resource: Resource[Json], resolver: _Resolver, dialect: str) -> Iterator[Issue]:
        contents = resource.contents
        if isinstance(contents, dict):
            if id(contents) in self._seen:
                return
            self._seen.add(id(contents))
            inner = str(contents.get("$schema", dialect))
            wrong = self._dialect_issues(contents, inner) if inner != dialect else []
            if wrong:
                yield from wrong
                return
            dialect = inner
            yield from self._pattern_issues(contents)
            for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
                reference = contents.get(keyword)
                if isinstance(reference, str):
                    yield from self._behind(keyword, reference, resolver, dialect)
        for sub in resource.subresources():
            if not isinstance(sub.contents, dict | bool):
                continue  # A list of names among draft 7's `dependencies`, which the library takes for a schema.
            yield from self._below(sub, resolver.in_subresource(sub), dialect)

    def _behind(self, keyword: str, reference: str, resolver: _Resolver, dialect: str) -> Iterator[Issue]:
        try:
            found = resolver.lookup(reference)
        except (Unresolvable, ValueError, AttributeError):  # The last is the library's, over such a list of names.
            found = None
        if found is None or not isinstance(found.contents, dict | bool):
            message = f"{reference!r} leads to no schema inside this one; only references within it are followed"
            yield Issue(self._path, message, keyword)
        elif id(found.contents) not in self._seen:
            wrong = _meta_issues(found.contents, dialect, "")
            for issue in wrong:
                message = f"{reference!r} leads to what is no schema: at {issue.path or '/'}, {issue.message}"
                yield Issue(self._path, message, issue.keyword)
            if not wrong:
                target = specification_with(dialect).create_resource(found.contents)
                yield from self._below(target, found.resolver, dialect)

    def _dialect_issues(self, contents: JsonObject, dialect: str) -> list[Issue]:
        if _validator_class(dialect) is None:
            return [Issue(self._path, f"unknown dialect {dialect!r} in a part of it", "$schema")]
        return _meta_issues(contents, dialect, self._path)

    def _pattern_issues(self, contents: JsonObject) -> Iterator[Issue]:
        # Dialects before draft 7 leave these names unchecked.
        patterns = contents.get("patternProperties")
        for pattern in patterns if isinstance(patterns, dict) else ():
            try:
                re.compile(pattern)
            except (re.error, OverflowError, RecursionError) as error:
                yield Issue(self._path, f"{pattern!r} is not a 'regex': {error}", "patternProperties")
