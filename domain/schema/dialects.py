"""The dialects of JSON Schema, bounded by a budget.

Every look at a part of a schema, every keyword and every violation takes something off it. These
dialects take the place of the library's own in this process, so that a `$schema` inside of a schema
leads to them, too.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from jsonschema import FormatChecker, validators
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator

from domain.json_values import Json, JsonObject
from domain.schema import keywords as schema_keywords
from domain.schema import unevaluated
from domain.schema.budget import spend
from domain.schema.keywords import MEMBERS_A_STEP, Checking
from domain.schema.patterns import PatternError, check_pattern

MAX_MESSAGE = 500
"""The library quotes the whole offending value, which may be a megabyte."""

_VIOLATION_STEPS = 20

_Keyword = Callable[[Checking, Any, Json, JsonObject], Iterable[ValidationError] | None]

_OURS: Mapping[str, _Keyword] = {
    "additionalProperties": schema_keywords.additional_properties,
    "const": schema_keywords.const,
    "enum": schema_keywords.enum,
    "pattern": schema_keywords.pattern,
    "patternProperties": schema_keywords.pattern_properties,
    "required": schema_keywords.required,
    "type": schema_keywords.type_,
    "unevaluatedItems": unevaluated.unevaluated_items,
    "unevaluatedProperties": unevaluated.unevaluated_properties,
    "uniqueItems": schema_keywords.unique_items,
}

_PATTERNS_ONLY = FormatChecker(formats=())
"""What a schema itself is checked for; in clients' schemas `format` is a remark."""


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
        keywords[name] = _paying(name, _OURS.get(name, check))
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
            steps += schema_keywords.steps_to_resolve(validator)
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
