"""Checks of JSON Schemas at registration, and of parameters by them at launch.

First where a check runs (`offload_if_long`: on the event loop, or in a thread if it takes long),
then the checks themselves. Nothing is ever downloaded, and every check is bounded.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from threading import Lock
from typing import TypeVar, cast

import orjson
from jsonschema.protocols import Validator
from referencing.jsonschema import specification_with

from domain.errors import Issue, OverloadedError
from domain.json_values import Json, JsonObject, canonical
from domain.lru_cache import LruCache
from domain.schema.budget import OverBudgetError, PostponedError, briefly, limited, postpone_beyond
from domain.schema.dialects import MAX_ISSUES, collected, dialect, meta_issues, too_costly
from domain.schema.fast_path import PlainSchema, compile_plain
from domain.schema.references import Walk, resolver_of

# A check that takes long delays only the client that needs it.
#
# On the event loop a check gets a few milliseconds; one that needs more runs in a thread, which the
# interpreter interrupts every five milliseconds. There is one such thread, so however many clients
# send expensive schemas, they share it.

T = TypeVar("T")

MAX_WAITING = 32
"""Checks that wait, at most: half a minute at worst, as one may take most of a second."""


class _LongChecks:
    """The thread of long checks, and how many of them wait."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "long-decisions")
        self._waiting = 0

    async def run(self, decide: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise OverloadedError(f"{MAX_WAITING} long checks wait already")
        loop = asyncio.get_running_loop()
        self._waiting += 1
        try:
            return await loop.run_in_executor(self._thread, decide)
        finally:
            self._waiting -= 1


_long_checks = _LongChecks()


async def offload_if_long(decide: Callable[[], T]) -> T:
    """Return what `decide` returns, called here or, if its checks take long, in a thread.

    Then it is called twice: it must change nothing before its checks.

    Raises:
        OverloadedError: too many long checks are waiting.
    """
    try:
        return briefly(decide)
    except PostponedError:
        return await _long_checks.run(decide)


DEFAULT_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_issues(schema: JsonObject, path: str) -> list[Issue]:
    """Return what is wrong with a JSON Schema: its dialect, its keywords or its references.

    Args:
        schema: normalised.
        path: the JSON Pointer of the schema in the body, such as `/parametersSchema`.
    """
    postpone_beyond(len(canonical(schema)))
    name = schema.get("$schema", DEFAULT_DIALECT)
    if not isinstance(name, str) or dialect(name) is None:
        message = f"unknown dialect {name!r}; use for example {DEFAULT_DIALECT}"
        return [Issue(f"{path}/$schema", message, "$schema")]
    try:
        with limited():
            issues = meta_issues(schema, name, path)
            if issues:
                return issues
            walk = Walk(name, path)
            return list(islice(walk.issues_of(schema), MAX_ISSUES))
    except OverBudgetError as error:
        return [too_costly(error, schema, path)]
    except RecursionError:
        return [Issue(path, "its references lead too deep", "$ref")]
    except ValueError as error:
        return [Issue(path, f"an identifier in it is no URI: {error}", "$id")]


def merged(defaults: JsonObject, given: JsonObject) -> JsonObject:
    """Return the defaults, overridden key by key at the top level."""
    return {**defaults, **given}


def violations(schema: JsonObject, value: Json, path: str) -> list[Issue]:
    """Return how the value violates the schema, with JSON Pointers below `path`.

    A check that takes too much effort counts as a violation.
    """
    plain, validator = compiled_checks(schema)
    if plain is not None and plain.certainly_allows(value):
        return []
    postpone_beyond(len(canonical(value)))
    return thorough_violations(validator, value, path)


def thorough_violations(validator: Validator, value: Json, path: str) -> list[Issue]:
    """Return the same without the fast path."""
    try:
        with limited():
            return collected(validator, value, path)
    except OverBudgetError as error:
        return [too_costly(error, value, path)]


_Checks = tuple[PlainSchema | None, Validator]


def compiled_checks(schema: JsonObject) -> _Checks:
    """Return the compiled checks of a schema.

    Schemas of cached definitions are recognised by identity.
    """
    identity = id(schema)
    with _caching:
        recent = _recent.get(identity)
    if recent is not None and recent[0] is schema:
        return recent[1]
    text = canonical(schema)
    size_bytes = len(text)
    with _caching:
        checks = _compiled.get(text)
    if checks is None:
        postpone_beyond(size_bytes)
        checks = _compile(text)
    with _caching:
        _compiled.keep(text, checks, size_bytes)
        _recent.keep(identity, (schema, checks), size_bytes)
    return checks


_caching = Lock()
"""The caches are used by two threads."""

MAX_SCHEMA_BYTES = 1_048_576
"""Texts of schemas that are cached compiled. Compiled, most take about fifty times as much memory,
some a hundred times."""

_compiled = LruCache[bytes, _Checks](MAX_SCHEMA_BYTES)
"""By the schema's canonical text."""

_recent = LruCache[int, tuple[JsonObject, _Checks]](MAX_SCHEMA_BYTES)
"""By identity, with the object itself, so that no other object can get its identity. Schemas are
never changed."""


def _compile(schema_text: bytes) -> _Checks:
    schema: JsonObject = orjson.loads(schema_text)
    name = str(schema.get("$schema", DEFAULT_DIALECT))
    root = specification_with(name).create_resource(schema)
    validator_class = cast("Callable[..., Validator]", dialect(name))
    resolver = resolver_of(root)
    thorough = validator_class(schema, _resolver=resolver)
    return compile_plain(schema), thorough
