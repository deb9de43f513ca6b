"""OpenAPI, made to say what is true: who may ask, what is refused and how, and what fields mean."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.access.principals import IN_THE_QUERY
from api.reference.operations import EXAMPLES
from api.reference.words import FIELDS, PARAMETERS

JsonObject = dict[str, Any]

_BEARER = "token"
_QUERY = "tokenInQuery"

_SCHEMES: JsonObject = {
    _BEARER: {
        "type": "http",
        "scheme": "bearer",
        "description": "A token that the operator gave out, for reading or also for writing.",
    },
    _QUERY: {
        "type": "apiKey",
        "in": "query",
        "name": "token",
        "description": "The same for a stream: browsers send no headers with an EventSource.",
    },
}


def describe(app: FastAPI, *, open_to_all: bool) -> None:
    """Let the application's OpenAPI be ours.

    Args:
        app: with all its routes.
        open_to_all: whether there are no tokens.
    """

    def openapi() -> JsonObject:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
            )
            _amend(schema, open_to_all=open_to_all)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _amend(schema: JsonObject, *, open_to_all: bool) -> None:
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            # Broken input is answered with 400.
            operation["responses"].pop("422", None)
            _secure(path, operation, open_to_all=open_to_all)
            _exemplify(operation)
            for parameter in operation.get("parameters", []):
                _describe_parameter(parameter)
    components = schema["components"]
    components["securitySchemes"] = _SCHEMES
    shapes = components["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        shapes.pop(unused, None)
    for name, shape in shapes.items():
        _describe_fields(name, shape)


def _exemplify(operation: JsonObject) -> None:
    """Show an example of the body that the operation takes."""
    example = EXAMPLES.get(operation["operationId"])
    if example is not None:
        operation["requestBody"]["content"]["application/json"]["example"] = example


def _secure(path: str, operation: JsonObject, *, open_to_all: bool) -> None:
    """Say which tokens an operation takes: those that can be answered 401 need one."""
    if "401" not in operation["responses"]:
        operation["security"] = []
        return
    ways: list[JsonObject] = [{_BEARER: []}]
    if path in IN_THE_QUERY:
        ways.append({_QUERY: []})
    if open_to_all:
        ways.append({})
    operation["security"] = ways


def _describe_parameter(parameter: JsonObject) -> None:
    words = PARAMETERS.get(parameter["name"])
    if words is not None:
        parameter.setdefault("description", words)


def _describe_fields(shape_name: str, shape: JsonObject) -> None:
    fields = shape.get("properties", {})
    for name, field in fields.items():
        own_words = FIELDS.get(f"{shape_name}.{name}")
        words = own_words or FIELDS.get(name)
        if words is not None:
            field.setdefault("description", words)
