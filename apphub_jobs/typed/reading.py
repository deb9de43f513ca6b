"""The signature of a job's function, read without pydantic.

First any signature (`read_signature`), then the plain case, which never needs pydantic.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apphub_jobs.contract import JobResult, JobRunContext, Json, PermanentError

BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class JobDefinitionError(TypeError):
    """A function or its options are no valid job; the message says which, where and why."""


@dataclass(frozen=True)
class FunctionSignature:
    """A function's signature, with evaluated annotations.

    Attributes:
        parameters: the parameters of a launch.
        accepts_others: whether it accepts other parameters, too (`**others`).
        context_name: the parameter that gets the `JobRunContext`; None if there is none.
        result_type: the return type; `Any` without one, or if it is `JobResult`.
        returns_job_result: whether the return type is `JobResult`.
    """

    parameters: Sequence[inspect.Parameter]
    accepts_others: bool
    context_name: str | None
    result_type: Any
    returns_job_result: bool

    @property
    def is_plain(self) -> bool:
        """Whether no value has to be validated or converted."""
        return not self.parameters and not self.accepts_others and self.result_type in (Any, None)

    def bind(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, object]:
        """Return the arguments of a launch by name.

        Raises:
            TypeError: as for a call of the function: one is missing, unknown, or passed twice.
        """
        parameters = list(self.parameters)
        if self.accepts_others:
            parameters.append(inspect.Parameter(_OTHERS, inspect.Parameter.VAR_KEYWORD))
        arguments = inspect.Signature(parameters).bind(*args, **kwargs).arguments
        others = arguments.pop(_OTHERS, {})
        return {**arguments, **others}


_OTHERS = "others"


def read_signature(function: Callable[..., object]) -> FunctionSignature:
    """Read a function's signature.

    Raises:
        JobDefinitionError: a job cannot have such a parameter, or an annotation cannot be
            evaluated.
    """
    signature = _inspect(function)
    parameters: list[inspect.Parameter] = []
    context_name = None
    accepts_others = False
    for parameter in signature.parameters.values():
        if parameter.annotation is JobRunContext:
            context_name = parameter.name
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            accepts_others = True
        elif parameter.kind in BY_NAME:
            parameters.append(parameter)
        else:
            msg = f"parameter {parameter}: a job's parameters are given by name"
            raise JobDefinitionError(msg)
    annotation = signature.return_annotation
    return FunctionSignature(
        parameters=parameters,
        accepts_others=accepts_others,
        context_name=context_name,
        result_type=_result_type(annotation),
        returns_job_result=annotation is JobResult,
    )


def _inspect(function: Callable[..., object]) -> inspect.Signature:
    try:
        return inspect.signature(function, eval_str=True)
    except NameError as error:
        remedy = "import it outside of TYPE_CHECKING, at the module's top"
        msg = f"an annotation cannot be evaluated: {error}; {remedy}"
        raise JobDefinitionError(msg) from error


def _result_type(annotation: Any) -> Any:
    if annotation is inspect.Signature.empty or annotation in (Any, JobResult):
        return Any
    if annotation is None or annotation is type(None):
        return None
    return annotation


class PlainSignature:
    """The signature of a job without parameters and with any result: it needs no pydantic."""

    def __init__(self, name: str, signature: FunctionSignature) -> None:
        self._name = name
        self._signature = signature

    def fields(self) -> dict[str, Json]:
        """Return the fields of the definition that the signature determines."""
        schema = {"type": "object", "properties": {}, "additionalProperties": False}
        return {"parametersSchema": schema}

    def arguments(self, parameters: Mapping[str, Json]) -> dict[str, object]:
        """Return the arguments of a call of the function.

        Raises:
            PermanentError: there are parameters.
        """
        if parameters:
            msg = f"{self._name} takes no parameters, but was given {', '.join(parameters)}"
            raise PermanentError(msg)
        return {}

    def to_json(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, Json]:
        """Return the parameters of a launch.

        Raises:
            TypeError: there are arguments.
        """
        return self._signature.bind(args, kwargs)

    def result_json(self, result: object) -> Json:
        """Return a result unchanged."""
        return result

    def result(self, result: Json) -> object:
        """Return a result unchanged."""
        return result
