"""The dialects of JSON Schema, bounded by a budget, and violations as issues (`collected`).

Every visit to a part of a schema, every keyword and every violation costs steps. These dialects
replace the library's in this process, so that a `$schema` inside a schema leads to them, too.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, cast

from jsonschema import FormatChecker, exceptions, validators
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator

from domain.errors import Issue
from domain.json_values import Json, JsonObject, canonical, escape
from domain.schema import keywords
from domain.schema.budget import MAX_STEPS, OverBudgetError, spend
from domain.schema.formats import is_impossible_moment
from domain.schema.keywords import MEMBERS_A_STEP, Checking, steps_to_resolve
from domain.schema.patterns import PatternError, check_pattern

MAX_MESSAGE = 500
"""Characters of a message: the library quotes the whole wrong value, which may have a megabyte."""

_VIOLATION_STEPS = 20

_Keyword = Callable[[Checking, Any, Json, JsonObject], Iterable[ValidationError] | None]

_OURS: Mapping[str, _Keyword] = {
    "additionalProperties": keywords.additional_properties,
    "const": keywords.const,
    "enum": keywords.enum,
    "multipleOf": keywords.multiple_of,
    "pattern": keywords.pattern,
    "patternProperties": keywords.pattern_properties,
    "properties": keywords.properties,
    "required": keywords.required,
    "type": keywords.type_,
    "unevaluatedItems": keywords.unevaluated_items,
    "unevaluatedProperties": keywords.unevaluated_properties,
    "uniqueItems": keywords.unique_items,
}

_PATTERNS_ONLY = FormatChecker(formats=())
"""The formats that schemas themselves are checked for. In clients' schemas `format` is an
annotation, except that a date must exist (`is_impossible_moment`)."""


@_PATTERNS_ONLY.checks("regex", raises=PatternError)
def _is_pattern(value: object) -> bool:
    if isinstance(value, str):
        check_pattern(value)
    return True


def dialect(name: str) -> type[Validator] | None:
    """Return the bounded dialect of this name, None if it is unknown."""
    try:
        # The library's stubs leave out that None is a fine default.
        known = validators.validator_for({"$schema": name}, default=None)  # type: ignore[arg-type]
    except ValueError:  # It is no URI.
        return None
    return known if known in _BOUNDED else None


def shortened(message: str) -> str:
    """Return the message, without its middle if it is long."""
    if len(message) <= MAX_MESSAGE:
        return message
    half = MAX_MESSAGE // 2
    return f"{message[:half]} … {message[-half:]}"


def _bounded(library: Any, *, reference_alone: bool) -> type[Validator]:
    """Return the dialect with all keywords bounded, and register it under its name.

    Args:
        library: the library's dialect.
        reference_alone: whether a `$ref` hides the keywords beside it.
    """
    checks: dict[str, _Keyword] = {}
    for name, check in library.VALIDATORS.items():
        ours = _with_calendar(check) if name == "format" else _OURS.get(name, check)
        checks[name] = _paying(name, ours)
    # The stubs know less than its documentation.
    create = cast("Callable[..., type[Validator]]", validators.create)
    return create(
        meta_schema=library.META_SCHEMA,
        validators=checks,
        version=f"bounded {library.__name__}",
        type_checker=library.TYPE_CHECKER,
        format_checker=_PATTERNS_ONLY,
        id_of=library.ID_OF,
        applicable_validators=_reference_alone if reference_alone else _all_keywords,
    )


def _with_calendar(check: _Keyword) -> _Keyword:
    """Return the keyword `format`, extended to refuse dates that do not exist."""

    def format_(
        validator: Checking, value: Json, instance: Json, schema: JsonObject
    ) -> Iterator[ValidationError]:
        yield from check(validator, value, instance, schema) or ()
        if is_impossible_moment(value, instance):
            yield ValidationError(f"{instance!r} is no {value} that a calendar has")

    return format_


def _paying(name: str, check: _Keyword) -> _Keyword:
    """Return the keyword, extended to pay for what it may visit and for each violation."""
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
            steps += sum(1 for _ in validator._resolver.dynamic_scope())  # noqa: SLF001 - as in `keywords`
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
"""A tuple: the union `dict | list | str` would be built a hundred times in a launch."""


_BOUNDED = {
    _bounded(validators.Draft4Validator, reference_alone=True),
    _bounded(validators.Draft6Validator, reference_alone=True),
    _bounded(validators.Draft7Validator, reference_alone=True),
    _bounded(validators.Draft201909Validator, reference_alone=False),
    _bounded(validators.Draft202012Validator, reference_alone=False),
}
"""Without draft 3, which allows what the library then fails at, such as unknown types."""


MAX_ISSUES = 100
"""More violations help nobody, and an array of wrong items could have a million."""


def collected(validator: Validator, value: Json, path: str) -> list[Issue]:
    """Return how the value violates the validator's schema, with JSON Pointers below `path`.

    Raises:
        OverBudgetError: the check takes too much effort.
    """
    issues: list[Issue] = []
    try:
        for error in validator.iter_errors(value):
            issue = _issue(error, path)
            if issue not in issues:
                # In newer dialects several vocabularies may report the same.
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
    """Return how a schema violates the schema of its dialect."""
    return collected(_meta_validator(name), schema, path)


@lru_cache(maxsize=16)
def _meta_validator(name: str) -> Validator:
    bounded = cast("type[Validator]", dialect(name))
    return bounded(bounded.META_SCHEMA, format_checker=bounded.FORMAT_CHECKER)


def _issue(error: exceptions.ValidationError, path: str) -> Issue:
    pointer = path
    for part in error.absolute_path:
        pointer += f"/{escape(str(part))}"
    message = error.message
    if error.cause is not None:
        message += f": {error.cause}"
    if reasons := _reasons(error):
        message = f"{shortened(message)}: {reasons}"
    rule = canonical(cast("Json", error.validator_value)).decode()
    keyword = str(error.validator or keywords.FALSE)
    return Issue(pointer, shortened(message), keyword, shortened(rule))


MAX_REASONS = 5
"""Alternatives of `anyOf` and `oneOf` that a message explains, at most."""


def _reasons(error: exceptions.ValidationError) -> str:
    """Return why each alternative does not hold, in words; "" if the error is about none.

    An alternative of another type is left out if there is one of the right type.
    """
    first_errors: dict[object, exceptions.ValidationError] = {}
    for of_alternative in error.context or ():
        # A schema `false` has no path.
        index = next(iter(of_alternative.relative_schema_path), None)
        first_errors.setdefault(index, of_alternative)
    reasons = list(first_errors.values())
    of_right_type = [one for one in reasons if one.validator != "type" or one.relative_path]
    texts: list[str] = []
    for reason in (of_right_type or reasons)[:MAX_REASONS]:
        place = "/".join(escape(str(part)) for part in reason.relative_path)
        texts.append(f"{place}: {reason.message}" if place else reason.message)
    return "; or ".join(texts)


def too_costly(error: OverBudgetError, value: Json, path: str) -> Issue:
    """Return the issue that says what takes too much effort, and where."""
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
    pointer = path + _pointer_to(value, error.text)
    rule = f"{shortened(error.pattern)} takes too long to match"
    return Issue(pointer, message, "pattern", rule)


def _pointer_to(value: Json, text: str) -> str:
    """Return the JSON Pointer of a text within a value, or of the property that it names.

    It is "" if the text is neither.
    """
    waiting: deque[tuple[_Keys, Json]] = deque([(None, value)])
    while waiting:
        keys, part = waiting.popleft()
        if part is text:
            return _pointer(keys)
        for key, member in _members_of(part):
            below = (keys, key)
            if key is text:
                return _pointer(below)
            waiting.append((below, member))
    return ""


_Keys = tuple["_Keys", str | int] | None
"""The keys that lead to a part: those of its parent, and its own. Pointers would repeat all
keys."""


def _pointer(keys: _Keys) -> str:
    parts: list[str] = []
    while keys is not None:
        keys, key = keys
        parts.append(f"/{escape(str(key))}")
    return "".join(reversed(parts))


def _members_of(value: Json) -> Iterable[tuple[str | int, Json]]:
    if isinstance(value, dict):
        return value.items()
    if isinstance(value, list):
        return enumerate(value)
    return ()
