"""Parameters and filters as people type them: `name=Ada times=3`, `status!=failed`.

Parameters are made what the job's schema asks for.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from api.cli.daily.json_in_yaml import documents_in
from domain.errors import InvalidInputError
from domain.filters.runs import conditions_of
from domain.filters.words import read
from domain.json_values import Json, JsonObject

STDIN = "-"

TYPES: Mapping[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}
"""What JSON Schema calls values."""


def given_parameters(
    words: Sequence[str], file: str | None, schema: Mapping[str, Any]
) -> JsonObject:
    """Return the parameters of a launch: the file's, with the words' instead of or beside them.

    Raises:
        typer.BadParameter: a word is no `key=value`, or the file holds no object.
    """
    parameters = _in_file(file) if file else {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            msg = f"{word!r} is no parameter: write NAME=VALUE, such as name=Ada or ids='[1, 2]'"
            raise typer.BadParameter(msg)
        value = value_of(text, name, schema)
        _require_json(word, {name: value})
        parameters[name] = value
    return parameters


def _require_json(word: str, meant: JsonObject) -> None:
    try:
        json.dumps(meant, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        # Bytes that are no UTF-8 come as halves of characters.
        msg = f"{word!r} is not UTF-8, which is what JSON can hold"
        raise typer.BadParameter(msg) from None
    except ValueError:
        msg = f"{word!r}: JSON has no NaN, and no number that large"
        raise typer.BadParameter(msg) from None


def given_conditions(texts: Sequence[str]) -> list[str]:
    """Return the conditions of a filter of runs, after a look at whether they are any.

    Raises:
        typer.BadParameter: one is none.
    """
    try:
        conditions_of(read(texts, ""))
    except InvalidInputError as error:
        told: list[str] = []
        for issue in error.issues:
            place = issue.path[1:]
            told.append(f"{place}: {issue.message}")
        raise typer.BadParameter("; ".join(told)) from None
    return [*texts]


def value_of(text: str, name: str, schema: Mapping[str, Any]) -> Json:
    """Return a parameter as JSON, or as the text that it is.

    Where the schema wants a text and no such JSON, however much it looks like a number, it is one.
    """
    try:
        value: Json = json.loads(text)
    except (ValueError, RecursionError):
        return text
    wanted = set(_types(_member(schema.get("properties"), name), schema))
    is_wanted = TYPES[type(value)] in wanted
    is_whole_number = isinstance(value, int) and "number" in wanted
    if "string" in wanted and not (is_wanted or is_whole_number):
        return text
    return value


def _in_file(name: str) -> JsonObject:
    try:
        text = sys.stdin.read() if name == STDIN else Path(name).read_text("utf-8")
        [found] = documents_in(text) or [None]
    except (OSError, ValueError) as error:
        msg = f"--params {name} cannot be read: {error}"
        raise typer.BadParameter(msg) from None
    if not isinstance(found, dict):
        msg = f'--params {name} must hold an object in JSON or YAML, such as {{"name": "Ada"}}'
        raise typer.BadParameter(msg)
    return found


def _types(field: object, schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the types that a field may have, by itself, its alternatives, or what it refers to."""
    if not isinstance(field, Mapping):
        return
    yield from _own_types(field)
    any_of = field.get("anyOf", ())
    one_of = field.get("oneOf", ())
    for alternative in (*any_of, *one_of):
        yield from _types(alternative, schema)
    # Of a definition only its own: it may refer to itself.
    reference = str(field.get("$ref", ""))
    name = reference.removeprefix("#/$defs/")
    definition = _member(schema.get("$defs"), name)
    yield from _own_types(definition)


def _own_types(field: Mapping[str, Any]) -> list[str]:
    found = field.get("type", [])
    if isinstance(found, str):
        return [found]
    return [str(name) for name in found]


def _member(of: object, name: str) -> Mapping[str, Any]:
    found = of.get(name) if isinstance(of, Mapping) else None
    return found if isinstance(found, Mapping) else {}
