"""Parameters that are personal data: which ones a job's schema marks as such, and of whom.

A property of the schema that says `"x-subject": "customerId"` holds personal data of the subject
whom the parameter `customerId` names; it may name itself. Such values are kept encrypted by a key
of their subject, until that is erased.
"""

from collections.abc import Iterator, Mapping

from domain.errors import Issue
from domain.json_values import Json, JsonObject, escape

MARK = "x-subject"

ERASED = "[erased]"
"""What stands wherever the value was, once its subject has been erased."""

_NAMED = (
    "properties",
    "patternProperties",
    "$defs",
    "definitions",
    "dependentSchemas",
    "dependencies",
)
"""Keywords whose members are schemas under names that somebody chose; such a name is no mark."""

_PLAIN = ("const", "enum", "default", "examples")
"""Keywords that hold values, in which nothing is a mark."""


def marks(schema: JsonObject) -> dict[str, str]:
    """Return the marked parameters, each with the parameter that names its subject."""
    properties = _properties(schema)
    return {
        name: subject
        for name, part in properties.items()
        if isinstance(part, dict)
        and isinstance(subject := part.get(MARK), str)
        and subject in properties
    }


def mark_issues(
    schema: JsonObject, defaults: JsonObject, concurrency_key: str | None
) -> list[Issue]:
    """Return why the marks cannot be honoured: misplaced, leading nowhere, or the value is wanted in the open.

    Args:
        schema: a definition's `parametersSchema`.
        defaults: its `defaultParameters`, which the log keeps in the open.
        concurrency_key: the parameter by which its runs take turns, which the log keeps in the
            open, too.
    """
    properties = _properties(schema)
    issues = [
        Issue(
            f"/parametersSchema/properties/{escape(name)}/{MARK}",
            "must be the name of a property of this schema: the parameter that names the subject",
            MARK,
        )
        for name, part in properties.items()
        if isinstance(part, dict) and MARK in part and part[MARK] not in [*properties]
    ]
    issues += [
        Issue(
            f"/parametersSchema{pointer}/{MARK}",
            "is understood in the schema's own properties alone",
            MARK,
        )
        for pointer in _misplaced(_unmarked(schema), "")
    ]
    message = "is personal data by the schema, and would stay in the log for ever"
    marked = marks(schema)
    issues += [
        Issue(f"/defaultParameters/{escape(name)}", f"{message}; leave it out, or give null", MARK)
        for name in marked
        if defaults.get(name) is not None
    ]
    if concurrency_key in marked:
        issues.append(
            Issue("/concurrencyKey", f"its value {message}; name another parameter", MARK)
        )
    return issues


def subjects_of(marked: Mapping[str, str], parameters: JsonObject) -> dict[str, str]:
    """Return the given marked parameters, each with its subject's name; null is no value and belongs to nobody.

    The parameters have no `subject_issues`. The integer 7 and the text "7" name the same subject.
    """
    return {
        name: str(parameters[subject])
        for name, subject in marked.items()
        if parameters.get(name) is not None
    }


def subject_issues(marked: Mapping[str, str], parameters: JsonObject) -> list[Issue]:
    """Return what keeps a launch from knowing whose personal data it is given."""
    return [
        Issue(
            f"/parameters/{escape(subject)}",
            f"must name the subject of {name!r}: a text that is not empty, or an integer",
            MARK,
        )
        for name, subject in marked.items()
        if parameters.get(name) is not None and not _names_someone(parameters.get(subject))
    ]


def erased_from(parameters: JsonObject, names: list[str]) -> JsonObject:
    """Return the parameters without these values."""
    return {**parameters, **dict.fromkeys(names, ERASED)}


def _properties(schema: JsonObject) -> JsonObject:
    properties = schema.get("properties")
    return properties if isinstance(properties, dict) else {}


def _names_someone(value: Json) -> bool:
    return (isinstance(value, str) and value != "") or (
        isinstance(value, int) and not isinstance(value, bool)
    )


def _unmarked(schema: JsonObject) -> JsonObject:
    """Return the schema without the marks that stand where they belong."""
    properties = {
        name: {key: value for key, value in part.items() if key != MARK}
        if isinstance(part, dict)
        else part
        for name, part in _properties(schema).items()
    }
    return {**schema, "properties": properties}


def _misplaced(part: Json, pointer: str) -> Iterator[str]:
    """Yield where a schema within this part has a mark."""
    if isinstance(part, list):
        for index, item in enumerate(part):
            yield from _misplaced(item, f"{pointer}/{index}")
    if not isinstance(part, dict):
        return
    for key, value in part.items():
        below = f"{pointer}/{escape(key)}"
        if key == MARK:
            yield pointer
        elif key in _NAMED and isinstance(value, dict):
            for name, schema in value.items():
                yield from _misplaced(schema, f"{below}/{escape(name)}")
        elif key not in _PLAIN:
            yield from _misplaced(value, below)
