"""The page of the site that has every call of the API and every shape, made of OpenAPI."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from api.app import build_app
from api.bootstrap.settings import Settings
from catalog.api_extension import EXTENSION
from cli.composition import FOLLOWERS

Node = Mapping[str, Any]
"""A part of an OpenAPI document."""

HEAD = """# The HTTP API

Every call with what it takes and answers, as a running service shows it at `/docs` and
`/openapi.json`. [Jobs and runs](jobs-and-runs.md) explains them, with examples and
[what failures look like](jobs-and-runs.md#failures). [Clients of the stream](clients/README.md)
explains `/ws`, whose messages `/asyncapi.json` describes.

Where the API needs tokens, all but `/health`, `/ready` and `/asyncapi.json` need
`Authorization: Bearer TOKEN`. Any call may also be answered 401 or 403 (token), 429 (too many) and
503 (the database is away).
"""

OF_ANY_CALL = {"401", "403", "429", "503"}

WRAPPERS = ("Data_", "Page_", "Part_")
"""Shapes that only hold `data`, and perhaps `meta`: they are shown where they are used."""


def page() -> str:
    """Return the page, in Markdown."""
    return "\n".join(_lines(openapi()))


def openapi() -> Node:
    """Return the OpenAPI document of a service with all its extensions."""
    settings = Settings("postgresql://", Path())  # Nothing is started.
    return build_app(settings, asyncio.Event(), FOLLOWERS, (EXTENSION,)).openapi()


def _lines(document: Node) -> Iterator[str]:
    shapes = document["components"]["schemas"]
    yield HEAD
    groups: dict[str, list[str]] = {}
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            lines = groups.setdefault(call["tags"][0], [])
            lines += _call(f"{method.upper()} {path}", call, shapes)
    for name, lines in groups.items():
        yield f"## {name.capitalize()}\n"
        yield from lines
    yield "## Shapes\n"
    for name, shape in shapes.items():
        if shape.get("properties") and not name.startswith(WRAPPERS):
            yield from _shape(name, shape)


def _call(title: str, call: Node, shapes: Node) -> Iterator[str]:
    yield f"### `{title}`\n"
    yield f"{call['description']}\n"
    if call.get("parameters"):
        yield "| parameter | in | value | meaning |\n|---|---|---|---|"
        for one in call["parameters"]:
            yield _row(f"`{one['name']}`", one["in"], _kind(one["schema"]), one["description"])
        yield ""
    if "requestBody" in call:
        yield f"Body: {_content(call['requestBody'], shapes)}\n"
    for status, answer in call["responses"].items():
        if status < "400":
            yield f"Answer: {status}, {_content(answer, shapes)}\n"
    refusals = [code for code in call["responses"] if code >= "400"]
    own = sorted(set(refusals) - OF_ANY_CALL)
    if own:
        yield f"Refusals: {', '.join(own)}\n"


def _content(body: Node, shapes: Node) -> str:
    """Return what a body holds."""
    contents = []
    for media, content in body.get("content", {}).items():
        schema = content.get("schema", {})
        name = schema.get("$ref", "").rpartition("/")[2]
        if name.startswith(WRAPPERS):
            fields = shapes[name]["properties"].items()
            pairs = [f"`{field}`: {_kind(value)}" for field, value in fields]
            contents.append(", ".join(pairs))
        else:
            is_json = media == "application/json"
            contents.append(_kind(schema) if is_json else f"`{media}`")
    return "; or ".join(contents) or "nothing"


def _shape(name: str, shape: Node) -> Iterator[str]:
    yield f"### {name}\n"
    yield f"{shape.get('description', '')}\n"
    needed = shape.get("required", [])
    yield "| field | value | meaning |\n|---|---|---|"
    for field, value in shape["properties"].items():
        mark = "" if field in needed else ", optional"
        yield _row(f"`{field}`", _kind(value) + mark, value.get("description", ""))
    yield ""


def _kind(schema: Node) -> str:
    """Return what values a schema allows, in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return "any JSON" if name == "JsonValue" else f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        kinds = [_kind(one) for one in schema["anyOf"]]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return ", ".join(f"`{value}`" for value in values)
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return _simple(schema)


def _simple(schema: Node) -> str:
    kind = schema.get("format") or schema.get("type") or "any JSON"
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f"{kind} {least:.0f} to {most:.0f}"
    if "maxLength" in schema:
        return f"{kind}, at most {schema['maxLength']} characters"
    return str(kind)


def _row(*cells: str) -> str:
    escaped = [cell.replace("|", "&#124;").replace("\n", " ") for cell in cells]
    return f"| {' | '.join(escaped)} |"
