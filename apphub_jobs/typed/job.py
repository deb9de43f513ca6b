"""A job: a function, what its definition says, and how a run calls it."""

import inspect
import json
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, update_wrapper
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast

from apphub_jobs.contract import Handler, JobResult, JobRunContext, Json
from apphub_jobs.typed.options import JobOptions
from apphub_jobs.typed.plain import PlainSignature
from apphub_jobs.typed.reading import JobDefinitionError, Reading, read

if TYPE_CHECKING:
    from apphub_jobs.typed.signature import TypedSignature

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class Job(Generic[P, R_co]):
    """A function that the service runs, made by the decorator `job`.

    Attributes:
        function: the function as it was written.
        module: the name of its module.
        slug: the name by which it is launched.
        entry_point: the name by which a definition finds it among a worker's handlers.
    """

    __name__: str

    def __init__(self, function: Callable[..., Any], options: JobOptions) -> None:
        update_wrapper(cast("Any", self), function)
        self.function = function
        self.module = function.__module__
        self.slug = options.slug
        self.entry_point = options.entry_point
        self._options = options

    @cached_property
    def definition(self) -> dict[str, Json]:
        """What `POST /jobs` takes to register it.

        Raises:
            JobDefinitionError: an option or the signature is wrong; the message says where.
        """
        signature = self.signature
        description = inspect.getdoc(self.function) or ""
        with self._telling_where():
            fields = {**self._options.fields(description), **signature.fields()}
            _require_json(fields)
            return fields

    @cached_property
    def signature(self) -> "TypedSignature | PlainSignature":
        """What its parameters and its result are.

        Raises:
            JobDefinitionError: a parameter or the result cannot be described.
        """
        reading = self._reading
        if reading.is_plain:
            return PlainSignature(self.slug, reading)
        # Here, for pydantic takes long to import.
        from apphub_jobs.typed.signature import TypedSignature  # noqa: PLC0415

        with self._telling_where():
            return TypedSignature(self.slug, reading)

    @property
    def returns_job_result(self) -> bool:
        """Whether the function says that it returns a `JobResult`."""
        return self._reading.returns_job_result

    @cached_property
    def _reading(self) -> Reading:
        with self._telling_where():
            return read(self.function)

    @contextmanager
    def _telling_where(self) -> Iterator[None]:
        try:
            yield
        except (TypeError, ValueError) as error:
            code = self.function.__code__
            place = f"{code.co_filename}, line {code.co_firstlineno}"
            msg = f"job {self.slug!r} ({place}): {error}"
            raise JobDefinitionError(msg) from error

    def handler(self) -> Handler:
        """Return what a run calls, everything that its first call would wait for being done."""
        _ = self.signature
        if inspect.iscoroutinefunction(self.function):
            return self._execute_coroutine
        return self._execute

    def _execute(self, context: JobRunContext) -> JobResult:
        returned = self.function(**self._arguments(context))
        return self._ended(returned)

    async def _execute_coroutine(self, context: JobRunContext) -> JobResult:
        returned = await self.function(**self._arguments(context))
        return self._ended(returned)

    def _arguments(self, context: JobRunContext) -> Mapping[str, Any]:
        arguments = self.signature.arguments(context.parameters)
        if self._reading.context_name is not None:
            arguments[self._reading.context_name] = context
        return arguments

    def _ended(self, returned: object) -> JobResult:
        if isinstance(returned, JobResult):
            return returned
        return JobResult(result=self.signature.result_json(returned))

    def parameters(self, *args: P.args, **kwargs: P.kwargs) -> dict[str, Json]:
        """Return the arguments of a call as the JSON parameters of a launch.

        Raises:
            TypeError: an argument is missing, unknown or given twice.
        """
        return self.signature.to_json(args, kwargs)

    def result(self, result: Json) -> R_co:
        """Return a run's result as the function's return type says.

        Raises:
            pydantic.ValidationError: it does not fit.
        """
        return cast("R_co", self.signature.result(result))

    def __repr__(self) -> str:
        return f"<job {self.slug!r}: {self.module}.{self.function.__qualname__}>"


def _require_json(fields: Mapping[str, Json]) -> None:
    """Raise ValueError where a field of a definition cannot be sent as JSON."""
    for name, value in fields.items():
        try:
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            msg = f"{name} cannot be JSON: {error}"
            raise ValueError(msg) from error


class SyncJob(Job[P, R_co]):
    """A job over a `def` function; calling it calls the function, here and now."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function as it was written; nothing is launched."""
        returned: R_co = self.function(*args, **kwargs)
        return returned


class AsyncJob(Job[P, R_co]):
    """A job over an `async def` function; calling it calls the function, here and now."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R_co]:
        """Call the function as it was written; nothing is launched."""
        returned: Coroutine[Any, Any, R_co] = self.function(*args, **kwargs)
        return returned
