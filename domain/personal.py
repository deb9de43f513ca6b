"""Personal data: the parameters that a job's schema marks, and their subjects.

A property of the schema with `"x-subject": "customerId"` is personal data of the subject that the
parameter `customerId` names; it may name itself. Its values are encrypted by a key of the subject,
until the subject is erased.

First the marks in schemas (`marks`, `mark_issues`, `subjects_of`), then the erased subject
(`Subject`).
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Self
from uuid import UUID

from eventsourcing.domain import Aggregate
from typing_extensions import ReadOnly, TypedDict

from domain.clock import cut_to_ms
from domain.errors import Issue
from domain.json_values import Json, JsonObject, escape
from domain.state import BigInt, Changes, Id, PlainEvent, StateEvent, Stateful, Text, Time

MARK = "x-subject"

MAX_ISSUES = 100
"""Issues of a kind at most: more would not help, and a path may be as long as the schema."""

ERASED = "[erased]"
"""Replaces a value once its subject is erased."""

_NAMED = (
    "properties",
    "patternProperties",
    "$defs",
    "definitions",
    "dependentSchemas",
    "dependencies",
)
"""Keywords whose members are schemas under names of the author's choice; the names are no marks."""

_PLAIN = ("const", "enum", "default", "examples")
"""Keywords that hold values, which have no marks."""


def marks(schema: JsonObject) -> dict[str, str]:
    """Return the marked parameters, each with the parameter that names its subject."""
    properties = _properties(schema)
    marked: dict[str, str] = {}
    for name, part in properties.items():
        if not isinstance(part, dict):
            continue
        subject = part.get(MARK)
        if isinstance(subject, str) and subject in properties:
            marked[name] = subject
    return marked


def mark_issues(
    schema: JsonObject, defaults: JsonObject, kept_open: Mapping[str, str]
) -> list[Issue]:
    """Return why the marks of a definition are refused.

    A mark is misplaced, or names no property; or the log would keep the value unencrypted.

    Args:
        schema: its `parametersSchema`.
        defaults: its `defaultParameters`, which the log keeps unencrypted.
        kept_open: the parameters that its limits name, whose values the log keeps unencrypted, too;
            each with the path of the field that names it.
    """
    issues = _dangling_marks(schema)[:MAX_ISSUES] + _misplaced_marks(schema)
    marked = marks(schema)
    message = "is personal data by the schema, and would stay in the log for ever"
    for name in marked:
        if defaults.get(name) is not None:
            path = f"/defaultParameters/{escape(name)}"
            remedy = f"{message}; leave it out, or give null"
            issues.append(Issue(path, remedy, MARK))
    for name, path in kept_open.items():
        if name in marked:
            remedy = f"its value {message}; name another parameter"
            issues.append(Issue(path, remedy, MARK))
    return issues


def _dangling_marks(schema: JsonObject) -> list[Issue]:
    message = "must be the name of a property of this schema: the parameter that names the subject"
    properties = _properties(schema)
    issues: list[Issue] = []
    for name, part in properties.items():
        if not isinstance(part, dict) or MARK not in part:
            continue
        mark = part[MARK]
        if not isinstance(mark, str) or mark not in properties:
            path = f"/parametersSchema/properties/{escape(name)}/{MARK}"
            issues.append(Issue(path, message, MARK))
    return issues


def _misplaced_marks(schema: JsonObject) -> list[Issue]:
    message = "is understood in the schema's own properties alone"
    pointers = _misplaced(_unmarked(schema))
    return [
        Issue(f"/parametersSchema{pointer}/{MARK}", message, MARK)
        for pointer in islice(pointers, MAX_ISSUES)
    ]


def subjects_of(marked: Mapping[str, str], parameters: JsonObject) -> dict[str, str]:
    """Return the given marked parameters, each with its subject's name.

    The parameters must have no `subject_issues`. A null is not given; the integer 7 and the text
    "7" name the same subject.
    """
    subjects: dict[str, str] = {}
    for name, subject in marked.items():
        if parameters.get(name) is not None:
            named = parameters[subject]
            subjects[name] = str(named)
    return subjects


def subject_issues(marked: Mapping[str, str], parameters: JsonObject) -> list[Issue]:
    """Return which subjects of personal data a launch does not name."""
    issues: list[Issue] = []
    for name, subject in marked.items():
        if parameters.get(name) is None:
            continue
        named = parameters.get(subject)
        if _names_someone(named):
            continue
        path = f"/parameters/{escape(subject)}"
        message = f"must name the subject of {name!r}: a text that is not empty, or an integer"
        issues.append(Issue(path, message, MARK))
    return issues


def erased_from(parameters: JsonObject, names: list[str]) -> JsonObject:
    """Return the parameters without these values."""
    erased = dict.fromkeys(names, ERASED)
    return {**parameters, **erased}


def _properties(schema: JsonObject) -> JsonObject:
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return {}
    return properties


def _names_someone(value: Json) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return True
    return isinstance(value, str) and value != ""


def _unmarked(schema: JsonObject) -> JsonObject:
    """Return the schema without the marks that are in the right place."""
    properties: JsonObject = {}
    for name, part in _properties(schema).items():
        properties[name] = part
        if isinstance(part, dict):
            unmarked = dict(part)
            unmarked.pop(MARK, None)
            properties[name] = unmarked
    return {**schema, "properties": properties}


def _misplaced(part: Json) -> Iterator[str]:
    """Yield the pointers, relative to this part, of the schemas in it that have a mark."""
    if isinstance(part, dict) and MARK in part:
        yield ""
    for pointer, inner in _inside(part):
        for below in _misplaced(inner):
            yield f"{pointer}{below}"


def _inside(part: Json) -> Iterator[tuple[str, Json]]:
    """Yield the direct members of a part that may be or hold schemas, each with its pointer."""
    if isinstance(part, list):
        for index, item in enumerate(part):
            yield f"/{index}", item
    if not isinstance(part, dict):
        return
    for key, value in part.items():
        if key in _NAMED and isinstance(value, dict):
            for name, schema in value.items():
                yield f"/{key}/{escape(name)}", schema
        elif key != MARK and key not in _PLAIN:
            yield f"/{escape(key)}", value


# The log has one event of a subject: its erasure.
#
# The id is that of the key that encrypted its data: random, and without meaning once the key is
# gone. As long as the aggregate has version 0, the key is in use; units that use the key expect
# that version (`domain.ports.Unit.personal`).


class SubjectState(TypedDict):
    """A key that was destroyed; `runs` is the number of runs that held data encrypted by it."""

    key_id: ReadOnly[Id]
    reason: ReadOnly[Text | None]
    runs: ReadOnly[BigInt]
    erased_at: ReadOnly[Time]


class Subject(Stateful[SubjectState], Aggregate):
    """Aggregate of a subject under one key.

    A person who comes back later gets another key, and is another subject.
    """

    TOPIC = "subject"
    STATE = SubjectState

    class Event(StateEvent):
        """Base of the subject's events."""

        TOPIC = "subject.event"

    class Erased(Event, Aggregate.Created):
        """The subject's key is destroyed: what was encrypted by it cannot be read any more."""

        TOPIC = "subject.erased"
        reason: str | None
        runs: int

        @classmethod
        def state_changes(cls, _: object, event: PlainEvent) -> Changes:
            """Return the whole state: no other event follows."""
            return {
                "key_id": str(event.aggregate_id),
                "reason": event.data["reason"],
                "runs": event.data["runs"],
                "erased_at": event.at,
            }

    @classmethod
    def erase(cls, key_id: UUID, reason: str | None, runs: int, now: datetime) -> Self:
        """Record the erasure of the subject with this key, whose data `runs` runs held."""
        return cls._create(
            cls.Erased, id=key_id, timestamp=cut_to_ms(now), reason=reason, runs=runs
        )
