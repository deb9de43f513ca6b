"""The signature of a typed function by pydantic: JSON Schemas, and conversion of values."""

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Literal, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic.fields import Field, FieldInfo
from pydantic_core import PydanticSerializationError
from typing_extensions import NotRequired, TypedDict

from apphub_jobs.contract import Json, PermanentError
from apphub_jobs.typed.reading import FunctionSignature, JobDefinitionError

_EMPTY = inspect.Parameter.empty


class TypedSignature:
    """The types of a job's parameters and result.

    Raises:
        JobDefinitionError: pydantic does not support an annotation or a default.
    """

    def __init__(self, name: str, signature: FunctionSignature) -> None:
        self._name = name
        self._signature = signature
        self._parameters = _create_adapter("the parameters", _parameters_type(name, signature))
        self._result = _create_adapter("the return type", signature.result_type)

    def fields(self) -> dict[str, Json]:
        """Return the fields of the definition that it determines: schemas and defaults."""
        fields: dict[str, Json] = {}
        defaults = self._defaults()
        if defaults:
            fields["defaultParameters"] = defaults
        with _naming_errors("the parameters"):
            fields["parametersSchema"] = self._parameters.json_schema()
        if self._signature.result_type not in (Any, None):
            with _naming_errors("the return type"):
                fields["outputSchema"] = self._result.json_schema(mode="serialization")
        return fields

    def arguments(self, parameters: Mapping[str, Json]) -> dict[str, object]:
        """Return the arguments of a call of the function, validated and converted.

        Raises:
            PermanentError: parameters do not fit; the message names each of them.
        """
        try:
            arguments = self._parameters.validate_json(json.dumps(dict(parameters)))
        except ValidationError as error:
            raise PermanentError(_validation_message(self._name, error)) from None
        return cast("dict[str, object]", arguments)

    def to_json(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, Json]:
        """Return the parameters of a launch.

        Raises:
            TypeError: an argument is missing, unknown, passed twice, or cannot be JSON.
        """
        return self._dump(self._signature.bind(args, kwargs))

    def result_json(self, result: object) -> Json:
        """Return a result of the declared type as JSON; one of another type is unchanged."""
        try:
            return self._result.dump_python(result, mode="json", by_alias=True, warnings=False)
        except ValueError:  # A cycle, bytes that are no UTF-8, or an error of pydantic.
            return result  # `encode` reports the path of what cannot be JSON.

    def result(self, result: Json) -> object:
        """Return a run's result as the declared type.

        Raises:
            pydantic.ValidationError: the result does not fit the type.
        """
        return self._result.validate_json(json.dumps(result))

    def _dump(self, arguments: Mapping[str, object]) -> dict[str, Json]:
        try:
            dumped = self._parameters.dump_python(
                arguments, mode="json", by_alias=True, warnings=False
            )
        except PydanticSerializationError as error:
            msg = f"an argument of {self._name} cannot be JSON: {error}"
            raise TypeError(msg) from error
        return cast("dict[str, Json]", dumped)

    def _defaults(self) -> dict[str, Json]:
        """Return the defaults as JSON."""
        defaults = {parameter.name: _default(parameter) for parameter in self._signature.parameters}
        return self._dump({name: value for name, value in defaults.items() if value is not _EMPTY})


def _create_adapter(subject: str, type_: Any) -> TypeAdapter[Any]:
    with _naming_errors(subject):
        return _strict_json_adapter(type_)


@contextmanager
def _naming_errors(subject: str) -> Iterator[None]:
    """Raise errors of pydantic as `JobDefinitionError`, with the subject in the message."""
    try:
        yield
    except PydanticUserError as error:
        msg = f"{subject}: {error.message}"
        raise JobDefinitionError(msg) from error


def _strict_json_adapter(type_: Any) -> TypeAdapter[Any]:
    """Return an adapter that does not serialize NaN as null, unless the type configures that."""
    try:
        return TypeAdapter(type_, config=_NAN_AS_CONSTANT)
    except PydanticUserError as error:
        if error.code != "type-adapter-config-unused":
            raise
    return TypeAdapter(type_)  # It has a configuration of its own.


_NAN_AS_CONSTANT = ConfigDict(ser_json_inf_nan="constants")


def _parameters_type(name: str, signature: FunctionSignature) -> Any:
    """Return the type of a dictionary whose keys are the parameters."""
    # If a key is missing, the function's own default applies.
    fields = {parameter.name: _field_type(parameter) for parameter in signature.parameters}
    create_typed_dict: Any = TypedDict  # `Any`: type checkers want literal fields.
    typed_dict = create_typed_dict(name, fields)
    extra: Literal["allow", "forbid"] = "allow" if signature.accepts_others else "forbid"
    typed_dict.__pydantic_config__ = ConfigDict(extra=extra)
    return typed_dict


def _field_type(parameter: inspect.Parameter) -> Any:
    annotation: Any = parameter.annotation
    if annotation is _EMPTY:
        annotation = Any
    default = parameter.default
    if default is _EMPTY:
        return annotation
    if not isinstance(default, FieldInfo):
        default = Field(default=default)
    annotated: Any = Annotated  # `Any`: type checkers reject types that are made at run time.
    field_type = annotated[annotation, default]
    return field_type if default.is_required() else NotRequired[field_type]


def _default(parameter: inspect.Parameter) -> object:
    """Return a parameter's default; `_EMPTY` if it has none, or a factory."""
    default = parameter.default
    if not isinstance(default, FieldInfo):
        return default
    if default.is_required() or default.default_factory is not None:
        return _EMPTY
    return default.default


def _validation_message(name: str, error: ValidationError) -> str:
    """Return the problems, without the values: they may be personal data."""
    problems = [
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
        for problem in error.errors(include_input=False, include_url=False)
    ]
    return f"the parameters do not fit {name}: {'; '.join(problems)}"
