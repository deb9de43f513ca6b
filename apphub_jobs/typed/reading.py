"""What a function's signature says, read without pydantic.

First the reading of any signature, then the plain case, which needs no pydantic later either.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apphub_jobs.contract import JobResult, JobRunContext, Json, PermanentError

BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class JobDefinitionError(TypeError):
    """A function or its options make no job; the message says which, where and why."""


@dataclass(frozen=True)
class Reading:
    """A signature, its annotations evaluated.

    Attributes:
        parameters: those that a launch gives.
        takes_more: whether any others may be given, too (`**others`).
        context_name: the parameter that gets the `JobRunContext`, if there is one.
        returns: what it returns; `Any` where the signature or a `JobResult` leaves that open.
        returns_job_result: whether it says that it returns a `JobResult`.
    """

    parameters: Sequence[inspect.Parameter]
    takes_more: bool
    context_name: str | None
    returns: Any
    returns_job_result: bool

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing that could be checked or converted."""
        return not self.parameters and not self.takes_more and self.returns in (Any, None)

    def bound(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, object]:
        """Return the arguments of a launch by name.

        Raises:
            TypeError: as a call of the function would: one is missing, unknown, or given twice.
        """
        parameters = list(self.parameters)
        if self.takes_more:
            more = inspect.Parameter(_MORE, inspect.Parameter.VAR_KEYWORD)
            parameters.append(more)
        signature = inspect.Signature(parameters)
        arguments = signature.bind(*args, **kwargs).arguments
        others = arguments.pop(_MORE, {})
        return {**arguments, **others}


_MORE = "others"


def read(function: Callable[..., object]) -> Reading:
    """Read a function's signature.

    Raises:
        JobDefinitionError: a job cannot have such a parameter, or an annotation means nothing.
    """
    signature = _evaluated(function)
    parameters: list[inspect.Parameter] = []
    context_name = None
    takes_more = False
    for parameter in signature.parameters.values():
        if parameter.annotation is JobRunContext:
            context_name = parameter.name
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            takes_more = True
        elif parameter.kind in BY_NAME:
            parameters.append(parameter)
        else:
            msg = f"parameter {parameter}: a job's parameters are given by name"
            raise JobDefinitionError(msg)
    annotation = signature.return_annotation
    returns = _returned(annotation)
    return Reading(parameters, takes_more, context_name, returns, annotation is JobResult)


def _evaluated(function: Callable[..., object]) -> inspect.Signature:
    try:
        return inspect.signature(function, eval_str=True)
    except NameError as error:
        remedy = "import it outside of TYPE_CHECKING, at the module's top"
        msg = f"an annotation cannot be evaluated: {error}; {remedy}"
        raise JobDefinitionError(msg) from error


def _returned(annotation: Any) -> Any:
    if annotation is inspect.Signature.empty or annotation in (Any, JobResult):
        return Any
    if annotation is None or annotation is type(None):
        return None
    return annotation


# The signature of a function that takes nothing and declares no result: no pydantic.


class PlainSignature:
    """Accepts no parameters, and any result."""

    def __init__(self, name: str, reading: Reading) -> None:
        self._name = name
        self._reading = reading

    def fields(self) -> dict[str, Json]:
        """Return what it says of the definition."""
        schema = {"type": "object", "properties": {}, "additionalProperties": False}
        return {"parametersSchema": schema}

    def arguments(self, parameters: Mapping[str, Json]) -> dict[str, object]:
        """Return the arguments of a call.

        Raises:
            PermanentError: there are parameters.
        """
        if parameters:
            named = ", ".join(parameters)
            msg = f"{self._name} takes no parameters, but was given {named}"
            raise PermanentError(msg)
        return {}

    def to_json(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, Json]:
        """Return the parameters of a launch.

        Raises:
            TypeError: there are arguments.
        """
        return self._reading.bound(args, kwargs)

    def result_json(self, result: object) -> Json:
        """Return a result as it is."""
        return result

    def result(self, result: Json) -> object:
        """Return a result as it is."""
        return result
