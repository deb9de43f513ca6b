"""The references of a schema: they lead to positions within it, and never cause a download."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import cast

from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import specification_with

from domain.errors import Issue
from domain.json_values import Json, JsonObject
from domain.schema.budget import spend
from domain.schema.dialects import dialect, meta_issues, shortened
from domain.schema.keywords import MEMBERS_A_STEP, Resolver
from domain.schema.patterns import PatternError, check_pattern


def resolver_of(root: Resource[Json]) -> Resolver:
    """Return the resolver of a schema's references, which lead to positions within it.

    It collects the anchors in advance.
    """
    base_uri = root.id() or ""
    registry: Registry[Json] = Registry().with_resource(base_uri, root)
    # The library raises it for a list of names among draft 7's `dependencies`.
    with suppress(AttributeError):
        registry = registry.crawl()
    return cast("Resolver", registry.resolver(base_uri))


def _pay_for_uris(part: Json, base: int) -> None:
    """Pay for the URIs that the library builds of a schema's parts and references.

    It copies the whole base URI each time.

    Args:
        part: of a schema.
        base: an upper bound of the length of its base URI.
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
    """Visits a valid schema and all targets of its references.

    A target may be at a position that the dialect's own schema does not check.
    """

    def __init__(self, name: str, path: str) -> None:
        self._name = name
        self._path = path
        self._visited: set[int] = set()

    def issues_of(self, schema: JsonObject) -> Iterator[Issue]:
        """Yield what is wrong with the schema's references and their targets."""
        _pay_for_uris(schema, 0)
        specification = specification_with(self._name)
        root: Resource[Json] = specification.create_resource(schema)
        resolver = resolver_of(root)
        yield from self._below(root, resolver, self._name)

    def _below(self, resource: Resource[Json], resolver: Resolver, name: str) -> Iterator[Issue]:
        contents = resource.contents
        spend(1)
        if isinstance(contents, dict):
            if id(contents) in self._visited:
                return
            self._visited.add(id(contents))
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
                    yield from self._target_issues(keyword, reference, resolver, name)
        for sub in resource.subresources():
            if not isinstance(sub.contents, dict | bool):
                # A list of names among draft 7's `dependencies`, which the library takes for a
                # schema.
                continue
            yield from self._below(sub, resolver.in_subresource(sub), name)

    def _target_issues(
        self, keyword: str, reference: str, resolver: Resolver, name: str
    ) -> Iterator[Issue]:
        try:
            resolved = resolver.lookup(reference)
        except (Unresolvable, ValueError, AttributeError):
            # The library raises the last one for such a list of names.
            resolved = None
        if resolved is None or not isinstance(resolved.contents, dict | bool):
            message = (
                f"{reference!r} leads to no schema inside this one;"
                " only references within it are followed"
            )
            yield Issue(self._path, message, keyword)
            return
        target = resolved.contents
        if id(target) in self._visited:
            return
        wrong = meta_issues(target, name, "")
        for issue in wrong:
            pointer = issue.path or "/"
            message = f"{reference!r} leads to what is no schema: at {pointer}, {issue.message}"
            yield Issue(self._path, message, issue.keyword)
        if not wrong:
            resource = specification_with(name).create_resource(target)
            yield from self._below(resource, resolved.resolver, name)

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
