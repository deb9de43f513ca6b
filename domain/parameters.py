"""Parameters against JSON Schemas: checked at registration, applied at launch. Nothing is ever fetched."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Protocol, cast

import orjson
from jsonschema import exceptions, validators
from jsonschema.protocols import Validator
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import specification_with

from domain.errors import Issue
from domain.json_values import Json, JsonObject, canonical, escape

DEFAULT_DIALECT = "https://json-schema.org/draft/2020-12/schema"

MAX_ISSUES = 100
"""More violations than this help nobody, and one array of wrong items could yield a million."""


class _Resolver(Protocol):
    def lookup(self, ref: str) -> object: ...

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
    validator_class = cast("type[Validator]", _validator_class(dialect))
    meta = validator_class(validator_class.META_SCHEMA, format_checker=validator_class.FORMAT_CHECKER)
    issues = _collect(meta, schema, path)
    return issues or list(_dangling_references(schema, dialect, path))


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
    return cast("type[Validator] | None", validators.validator_for({"$schema": dialect}, default=None))  # type: ignore[arg-type]


def _collect(validator: Validator, value: Json, path: str) -> list[Issue]:
    issues: list[Issue] = []
    try:
        for error in validator.iter_errors(value):
            issues.append(_issue(error, path))
            if len(issues) == MAX_ISSUES:
                break
    except RecursionError:
        return [Issue(path, "the schema refers to itself without end", "$ref")]
    return issues


def _issue(error: exceptions.ValidationError, path: str) -> Issue:
    pointer = path + "".join(f"/{escape(str(part))}" for part in error.absolute_path)
    keyword = str(error.validator)
    if keyword == "required" and isinstance(error.instance, Mapping):
        missing = [name for name in cast("list[str]", error.validator_value) if f"{name!r} is" in error.message]
        pointer += "".join(f"/{escape(name)}" for name in missing[:1])
    return Issue(pointer, _shortened(error.message), keyword)


def _shortened(message: str, limit: int = 500) -> str:
    # jsonschema quotes the whole offending value, which may be a megabyte.
    return message if len(message) <= limit else f"{message[: limit // 2]} … {message[-limit // 2 :]}"


def _dangling_references(schema: JsonObject, dialect: str, path: str) -> Iterator[Issue]:
    specification = specification_with(dialect)
    root: Resource[Json] = specification.create_resource(schema)
    base_uri = root.id() or ""
    registry: Registry[Json] = Registry().with_resource(base_uri, root)
    yield from _dangling_below(root, cast("_Resolver", registry.resolver(base_uri)), path)


def _dangling_below(resource: Resource[Json], resolver: _Resolver, path: str) -> Iterator[Issue]:
    contents = resource.contents
    if isinstance(contents, dict):
        for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
            reference = contents.get(keyword)
            if isinstance(reference, str) and not _resolves(resolver, reference):
                message = f"{reference!r} leads to nothing inside this schema; only references within it are followed"
                yield Issue(path, message, keyword)
    for sub in resource.subresources():
        yield from _dangling_below(sub, resolver.in_subresource(sub), path)


def _resolves(resolver: _Resolver, reference: str) -> bool:
    try:
        resolver.lookup(reference)
    except Unresolvable:
        return False
    return True
