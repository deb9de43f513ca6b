"""What a validator finds wrong with a value, said as issues, within the budget."""

from collections import deque
from collections.abc import Iterable
from functools import lru_cache
from typing import cast

from jsonschema import exceptions
from jsonschema.protocols import Validator

from domain.errors import Issue
from domain.json_values import Json, canonical, escape
from domain.schema.budget import MAX_STEPS, OverBudgetError
from domain.schema.dialects import dialect, shortened

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
        message = (
            "the schema's references lead too deep, or back to themselves without end"
        )
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
    return Issue(place, message, "pattern")


def _place(value: Json, text: str) -> str:
    """Return the JSON Pointer of a text, which is a value or a property's name in there.

    It is "" where the text is neither.
    """
    waiting: deque[tuple[_Way, Json]] = deque([(None, value)])
    while waiting:
        way, found = waiting.popleft()
        if found is text:
            return _pointer(way)
        for key, member in _members(found):
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


def _members(value: Json) -> Iterable[tuple[str | int, Json]]:
    if isinstance(value, dict):
        return value.items()
    if isinstance(value, list):
        return enumerate(value)
    return ()
