"""Write `api/dashboard/api.d.ts`: the API's shapes, as the dashboard is checked against them."""

import json
from collections.abc import Iterator

from api.dashboard.pages import BUILT
from docs.http_calls import WRAPPERS, Node, openapi

TYPES = BUILT.parent / "api.d.ts"

HEADER = """// What the API takes and answers: written by docs/dashboard_types.py.

declare namespace Api {
"""

_PLAIN = {name: name for name in ("boolean", "null", "number", "string")} | {"integer": "number"}


def generate() -> str:
    """Return the declarations."""
    shapes = openapi()["components"]["schemas"]
    named = [
        f"\ttype {name} = {_type(shape, 1)};\n"
        for name, shape in shapes.items()
        if not name.startswith(WRAPPERS)
    ]
    return HEADER + "\n".join(named) + "}\n"


def _type(schema: Node, depth: int) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type(one, depth) for one in schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return " | ".join(map(json.dumps, schema.get("enum", [schema.get("const")])))
    if schema.get("type") == "array":
        return f"Array<{_type(schema.get('items', {}), depth)}>"
    if schema.get("type") == "object":
        return _object(schema, depth)
    return _PLAIN.get(schema.get("type", ""), "any")


def _object(schema: Node, depth: int) -> str:
    if "properties" in schema:
        indent = "\t" * depth
        return "{\n" + "".join(_fields(schema, depth + 1)) + f"{indent}}}"
    values = schema.get("additionalProperties")
    return f"Record<string, {_type(values, depth) if isinstance(values, dict) else 'any'}>"


def _fields(schema: Node, depth: int) -> Iterator[str]:
    needed = schema.get("required", [])
    indent = "\t" * depth
    for name, value in schema["properties"].items():
        mark = "" if name in needed else "?"
        yield f"{indent}{name}{mark}: {_type(value, depth)};\n"


if __name__ == "__main__":
    TYPES.write_text(generate())
