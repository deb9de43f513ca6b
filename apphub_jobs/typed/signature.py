"""The signature of a typed function by pydantic: schemas, and values from JSON and back."""

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Literal, NotRequired, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic.fields import Field, FieldInfo
from pydantic_core import PydanticSerializationError
from typing_extensions import TypedDict

from apphub_jobs.contract import Json, PermanentError
from apphub_jobs.typed.reading import JobDefinitionError, Reading

_EMPTY = inspect.Parameter.empty


class TypedSignature:
    """What a job takes and returns.

    Raises:
        JobDefinitionError: pydantic can make nothing of an annotation or a default.
    """

    def __init__(self, name: str, reading: Reading) -> None:
        self._name = name
        self._reading = reading
        self._parameters = _adapter("the parameters", _parameters_type(name, reading))
        self._returns = _adapter("the return type", reading.returns)

    def fields(self) -> dict[str, Json]:
        """Return what it says of the definition: schemas of both, and the defaults."""
        fields: dict[str, Json] = {}
        defaults = self._defaults()
        if defaults:
            fields["defaultParameters"] = defaults
        with _telling("the parameters"):
            fields["parametersSchema"] = self._parameters.json_schema()
        if self._reading.returns not in (Any, None):
            with _telling("the return type"):
                schema = self._returns.json_schema(mode="serialization")
            fields["outputSchema"] = schema
        return fields

    def arguments(self, parameters: Mapping[str, Json]) -> dict[str, object]:
        """Return the arguments of a call, validated and converted.

        Raises:
            PermanentError: they do not fit; the message names each that does not.
        """
        try:
            arguments = self._parameters.validate_json(json.dumps(dict(parameters)))
        except ValidationError as error:
            raise PermanentError(_misfits(self._name, error)) from None
        return cast("dict[str, object]", arguments)

    def to_json(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, Json]:
        """Return the parameters of a launch.

        Raises:
            TypeError: an argument is missing, unknown, given twice, or cannot be JSON.
        """
        arguments = self._reading.bound(args, kwargs)
        return self._dumped(arguments)

    def result_json(self, result: object) -> Json:
        """Return a result as JSON, as its type says; what is of another type stays as it is."""
        try:
            return self._returns.dump_python(result, mode="json", by_alias=True, warnings=False)
        except ValueError:  # Pydantic's own, a circle, bytes that are no UTF-8.
            return result  # Whoever writes it as JSON tells the place.

    def result(self, result: Json) -> object:
        """Return a run's result as its type says.

        Raises:
            pydantic.ValidationError: it does not fit.
        """
        return self._returns.validate_json(json.dumps(result))

    def _dumped(self, arguments: Mapping[str, object]) -> dict[str, Json]:
        try:
            dumped = self._parameters.dump_python(
                arguments, mode="json", by_alias=True, warnings=False
            )
        except PydanticSerializationError as error:
            msg = f"an argument of {self._name} cannot be JSON: {error}"
            raise TypeError(msg) from error
        return cast("dict[str, Json]", dumped)

    def _defaults(self) -> dict[str, Json]:
        """Return the defaults, which are shown in each run that was not given others."""
        given = {parameter.name: _default(parameter) for parameter in self._reading.parameters}
        known = {name: value for name, value in given.items() if value is not _EMPTY}
        return self._dumped(known)


def _adapter(what: str, described: Any) -> TypeAdapter[Any]:
    with _telling(what):
        return _faithful_adapter(described)


@contextmanager
def _telling(what: str) -> Iterator[None]:
    try:
        yield
    except PydanticUserError as error:
        msg = f"{what}: {error.message}"
        raise JobDefinitionError(msg) from error


def _faithful_adapter(described: Any) -> TypeAdapter[Any]:
    """Return an adapter that does not silently make null of NaN, where the type leaves it open."""
    try:
        return TypeAdapter(described, config=_FAITHFUL)
    except PydanticUserError as error:
        if error.code != "type-adapter-config-unused":
            raise
    return TypeAdapter(described)  # It has a configuration of its own.


_FAITHFUL = ConfigDict(ser_json_inf_nan="constants")


def _parameters_type(name: str, reading: Reading) -> Any:
    """Return the type of a dictionary with the parameters as its keys."""
    # Where a key is missing, the function's own default holds.
    described = {parameter.name: _described(parameter) for parameter in reading.parameters}
    make: Any = TypedDict
    made = make(name, described)
    extra: Literal["allow", "forbid"] = "forbid"
    if reading.takes_more:
        extra = "allow"
    made.__pydantic_config__ = ConfigDict(extra=extra)
    return made


def _described(parameter: inspect.Parameter) -> Any:
    annotation: Any = parameter.annotation
    if annotation is _EMPTY:
        annotation = Any
    default = parameter.default
    if default is _EMPTY:
        return annotation
    if not isinstance(default, FieldInfo):
        default = Field(default=default)
    annotated: Any = Annotated  # As no type: type checkers know none that is made at run time.
    described = annotated[annotation, default]
    if default.is_required():
        return described
    return NotRequired[described]


def _default(parameter: inspect.Parameter) -> object:
    """Return a parameter's default; one that is made anew for each call is none."""
    default = parameter.default
    if not isinstance(default, FieldInfo):
        return default
    if default.is_required() or default.default_factory is not None:
        return _EMPTY
    return default.default


def _misfits(name: str, error: ValidationError) -> str:
    """Return what is wrong, without the values: they may be personal data."""
    problems = [
        f"{_place(problem['loc'])}: {problem['msg']}"
        for problem in error.errors(include_input=False, include_url=False)
    ]
    return f"the parameters do not fit {name}: {'; '.join(problems)}"


def _place(path: Sequence[str | int]) -> str:
    return ".".join(str(part) for part in path)
