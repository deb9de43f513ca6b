"""What people type or keep in files: documents in JSON and YAML, parameters, and filters of runs.

Parameters are typed as `name=Ada times=3`, and conditions as `status!=failed`.
"""

import json
import sys
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
import yaml
from yaml.constructor import ConstructorError

from domain.errors import InvalidInputError
from domain.filters import conditions_of, read
from domain.json_values import InvalidJsonError, Json, JsonObject, decode, normalise

_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class _Loader(yaml.SafeLoader):
    """Reads YAML as the API reads JSON: `2026-11-25` stays a string, and no key stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - the library's signature
        """Return an object; PyYAML would take the last of several values."""
        names: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in names:
                problem = f"the key {key.value!r} stands twice in one object"
                raise ConstructorError(None, None, problem, key.start_mark)
            names.add(str(key.value))
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def documents_in(text: str) -> list[Json]:
    """Return the documents of a text in YAML or JSON.

    Raises:
        ValueError: it is neither, or holds what JSON cannot; the message says where.
    """
    try:
        documents = list(yaml.load_all(text, Loader=_Loader))
    except yaml.YAMLError as error:
        msg = f"it is neither YAML nor JSON: {error}"
        raise ValueError(msg) from None
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    try:
        return [normalise(document) for document in documents]
    except InvalidJsonError as error:
        msg = f"at {error.pointer or '/'} stands what JSON cannot hold: {error.message}"
        raise ValueError(msg) from None


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
"""JSON Schema's names of types."""


def parse_parameters(
    words: Sequence[str], file: str | None, schema: Mapping[str, Any]
) -> JsonObject:
    """Return the parameters of a launch: those of a file, overridden by words of NAME=VALUE.

    Args:
        words: each a parameter; its value is converted to the type in the schema.
        file: JSON or YAML; `-` for standard input; None for no file.
        schema: the job's schema of parameters.

    Raises:
        typer.BadParameter: a word is not NAME=VALUE, a name stands twice, or the file holds no
            object.
    """
    parameters = _in_file(file) if file else {}
    names: set[str] = set()
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            msg = f"{word!r} is no parameter: write NAME=VALUE, such as name=Ada or ids='[1, 2]'"
            raise typer.BadParameter(msg)
        if name in names:
            raise typer.BadParameter(f"{name} stands twice; write {name}='[…]' for several values")
        names.add(name)
        value = value_of(text, name, schema)
        _require_json(word, {name: value})
        parameters[name] = value
    return parameters


def _require_json(word: str, parameter: JsonObject) -> None:
    try:
        json.dumps(parameter, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        # Bytes that are not UTF-8 arrive as surrogates.
        msg = f"{word!r} is not UTF-8, which is what JSON can hold"
        raise typer.BadParameter(msg) from None
    except ValueError:
        msg = f"{word!r}: JSON has no number that large"
        raise typer.BadParameter(msg) from None


def check_conditions(texts: Sequence[str]) -> list[str]:
    """Check the conditions of a filter of runs, and return them.

    Raises:
        typer.BadParameter: a condition is invalid.
    """
    try:
        conditions_of(read(texts, ""))
    except InvalidInputError as error:
        problems = (f"{issue.path[1:]}: {issue.message}" for issue in error.issues)
        raise typer.BadParameter("; ".join(problems)) from None
    return [*texts]


def value_of(text: str, name: str, schema: Mapping[str, Any]) -> Json:
    """Return a parameter's value: as JSON if the text is JSON, else as a string.

    If the schema takes a string and not the type of the JSON, such as a number, it is a string.

    Raises:
        typer.BadParameter: a key stands twice in an object, or it is NaN or Infinity.
    """
    types = set(_types(_member(schema.get("properties"), name), schema))
    try:
        value = decode(text)
    except InvalidJsonError as error:
        if "string" in types and types.isdisjoint({"object", "array", "number"}):
            return text
        raise typer.BadParameter(f"{name}: {error.message}") from None
    except (ValueError, RecursionError):
        return text
    is_valid = TYPES[type(value)] in types
    is_valid_integer = isinstance(value, int) and "number" in types
    if "string" in types and not (is_valid or is_valid_integer):
        return text
    return value


def _in_file(name: str) -> JsonObject:
    try:
        text = sys.stdin.read() if name == STDIN else Path(name).read_text("utf-8")
        [parameters] = documents_in(text) or [None]
    except (OSError, ValueError) as error:
        msg = f"--params {name} cannot be read: {error}"
        raise typer.BadParameter(msg) from None
    if not isinstance(parameters, dict):
        msg = f'--params {name} must hold an object in JSON or YAML, such as {{"name": "Ada"}}'
        raise typer.BadParameter(msg)
    return parameters


def _types(field: object, schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the types that a field may have: its own, its alternatives', and its reference's."""
    if not isinstance(field, Mapping):
        return
    yield from _own_types(field)
    for alternative in (*field.get("anyOf", ()), *field.get("oneOf", ())):
        yield from _types(alternative, schema)
    # Only the definition's own types: it may refer to itself.
    name = str(field.get("$ref", "")).removeprefix("#/$defs/")
    yield from _own_types(_member(schema.get("$defs"), name))


def _own_types(field: Mapping[str, Any]) -> list[str]:
    types = field.get("type", [])
    return [types] if isinstance(types, str) else [str(name) for name in types]


def _member(mapping: object, name: str) -> Mapping[str, Any]:
    member = mapping.get(name) if isinstance(mapping, Mapping) else None
    return member if isinstance(member, Mapping) else {}
