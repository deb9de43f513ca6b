"""A job: a function, its definition, and the handler that calls it.

First durations, then the options of a definition (`JobOptions`), then the jobs (`SyncJob`,
`AsyncJob`), then the decorator `job`, which makes them of functions.
"""

import inspect
import json
import re
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, update_wrapper
from math import isfinite
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    Literal,
    ParamSpec,
    Protocol,
    TypeVar,
    cast,
    overload,
)

from apphub_jobs.contract import Handler, JobResult, JobRunContext, Json
from apphub_jobs.typed.reading import (
    FunctionSignature,
    JobDefinitionError,
    PlainSignature,
    read_signature,
)

if TYPE_CHECKING:
    from apphub_jobs.typed.signature import TypedSignature


Duration = str | float | timedelta
"""`"500ms"`, `"30s"`, `"5m"`, `"1h30m"`, `"2d"`; a number of seconds; or a `timedelta`."""

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PART = r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*"


def milliseconds(duration: Duration) -> int:
    """Return a duration in whole milliseconds.

    Raises:
        ValueError: it is no duration; the message says how to write one.
    """
    if isinstance(duration, timedelta):
        return round(duration.total_seconds() * 1_000)
    if isinstance(duration, int | float) and not isinstance(duration, bool):
        return _round_ms(duration, duration * 1_000)
    if isinstance(duration, str) and re.fullmatch(f"(?:{_PART})+", duration):
        parts = re.findall(_PART, duration)
        total_ms = sum(float(number) * _UNITS_MS[unit] for number, unit in parts)
        return _round_ms(duration, total_ms)
    raise _duration_error(duration)


def _round_ms(duration: Duration, duration_ms: float) -> int:
    if not isfinite(duration_ms):
        raise _duration_error(duration)
    return round(duration_ms)


def _duration_error(duration: Duration) -> ValueError:
    msg = (
        f"{duration!r} is no duration: write '500ms', '30s', '5m', '1h30m', '2d',"
        " a number of seconds, or a timedelta"
    )
    return ValueError(msg)


JobType = Literal["batch", "service-triggered", "manual"]
RetryStrategy = Literal["none", "fixed", "exponential"]
Jitter = Literal["none", "full", "equal"]
Isolation = Literal["process", "shared"]
Outcome = Literal["succeeded", "failed", "canceled", "expired"]
UniqueUntil = Literal["start", "end"]
OnConflict = Literal["keep", "replace"]


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """The arguments of `job`, whose docstring explains them."""

    slug: str
    name: str
    entry_point: str
    type: JobType
    timeout: Duration | None
    retries: int
    retry_strategy: RetryStrategy
    retry_delay: Duration | None
    max_retry_delay: Duration | None
    retry_jitter: Jitter
    priority: int
    max_concurrent_runs: int | None
    concurrency_key: str | None
    concurrency_limit: int
    rate_limit: int | None
    rate_period: Duration | None
    rate_key: str | None
    fairness_key: str | None
    unique: Sequence[str] | None
    unique_until: UniqueUntil
    on_conflict: OnConflict
    start_deadline: Duration | None
    isolation: Isolation
    cpus: float | None
    memory_mb: int | None
    gpus: int | None
    worker_labels: Mapping[str, str] | None
    retention: Mapping[Outcome, Duration] | None
    metadata: Mapping[str, Json] | None

    def fields(self, description: str) -> dict[str, Json]:
        """Return the fields of the definition, without those that have their defaults.

        Raises:
            ValueError: an option is invalid by itself; the service checks the rest.
        """
        fields = {
            "slug": self.slug,
            "name": self.name,
            "type": self.type,
            "entryPoint": self.entry_point,
            "timeoutMs": _option_ms("timeout", self.timeout),
            "retryPolicy": self._retry_policy(),
            "priority": self.priority or None,
            "maxConcurrentRuns": self.max_concurrent_runs,
            "concurrencyKey": self.concurrency_key,
            "concurrencyLimit": None if self.concurrency_limit == 1 else self.concurrency_limit,
            "rateLimit": self._rate_limit(),
            "fairnessKey": self.fairness_key,
            "unique": self._unique(),
            "startDeadlineMs": _option_ms("start_deadline", self.start_deadline),
            "resources": self._resources(),
            "workerLabels": dict(self.worker_labels) if self.worker_labels else None,
            "retention": self._retention(),
            "isolation": None if self.isolation == "process" else self.isolation,
            "metadata": self._metadata(description),
        }
        return _without_none(fields)

    def _retry_policy(self) -> dict[str, Json] | None:
        if self.retries < 0:
            msg = f"retries={self.retries}: must be 0 or more attempts after the first"
            raise ValueError(msg)
        if self.retries == 0:
            return None
        policy = {
            "maxAttempts": self.retries + 1,
            "strategy": self.retry_strategy,
            "initialDelayMs": _option_ms("retry_delay", self.retry_delay),
            "maxDelayMs": _option_ms("max_retry_delay", self.max_retry_delay),
            "jitter": self.retry_jitter,
        }
        return _without_none(policy)

    def _rate_limit(self) -> dict[str, Json] | None:
        if self.rate_limit is None and self.rate_period is None:
            if self.rate_key is not None:
                msg = f"rate_key={self.rate_key!r}: give rate_limit and rate_period, too"
                raise ValueError(msg)
            return None
        if self.rate_limit is None or self.rate_period is None:
            msg = "rate_limit and rate_period: give both, so many starts in such a time"
            raise ValueError(msg)
        rate: dict[str, Json] = {
            "limit": self.rate_limit,
            "periodMs": _option_ms("rate_period", self.rate_period),
            "key": self.rate_key,
        }
        return _without_none(rate)

    def _retention(self) -> dict[str, Json] | None:
        retention: dict[str, Json] = {}
        for outcome, duration in (self.retention or {}).items():
            option = f"retention[{outcome!r}]"
            retention[f"{outcome}Ms"] = _option_ms(option, duration)
        return retention or None

    def _unique(self) -> dict[str, Json] | None:
        if self.unique is None:
            return None
        if isinstance(self.unique, str):
            msg = f"unique={self.unique!r}: give a list of parameters' names"
            raise TypeError(msg)
        return {
            "key": list(self.unique),
            "until": self.unique_until,
            "onConflict": self.on_conflict,
        }

    def _resources(self) -> dict[str, Json] | None:
        resources = {"cpus": self.cpus, "memoryMb": self.memory_mb, "gpus": self.gpus}
        return _without_none(resources) or None

    def _metadata(self, description: str) -> dict[str, Json] | None:
        metadata = dict(self.metadata or {})
        if description:
            metadata.setdefault("description", description)
        return metadata or None


def _without_none(fields: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in fields.items() if value is not None}


def _option_ms(name: str, duration: Duration | None) -> int | None:
    """Return the duration in an option in milliseconds; an error names the option."""
    if duration is None:
        return None
    try:
        return milliseconds(duration)
    except ValueError as error:
        msg = f"{name}: {error}"
        raise ValueError(msg) from None


P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class Job(Generic[P, R_co]):
    """A function that the service runs, made by the decorator `job`.

    Attributes:
        function: the decorated function.
        module: the name of its module.
        slug: the name by which it is launched.
        entry_point: the name under which workers register its handler.
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
        """The body of `POST /jobs` that registers it.

        Raises:
            JobDefinitionError: an option or the signature is invalid; the message says where.
        """
        signature = self.signature
        description = inspect.getdoc(self.function) or ""
        with self._locating_errors():
            fields = {**self._options.fields(description), **signature.fields()}
            _require_json(fields)
            return fields

    @cached_property
    def signature(self) -> "TypedSignature | PlainSignature":
        """The types of its parameters and its result.

        Raises:
            JobDefinitionError: the type of a parameter or of the result is not supported.
        """
        signature = self._function_signature
        if signature.is_plain:
            return PlainSignature(self.slug, signature)
        # Imported here, as pydantic takes long.
        from apphub_jobs.typed.signature import TypedSignature  # noqa: PLC0415

        with self._locating_errors():
            return TypedSignature(self.slug, signature)

    @property
    def returns_job_result(self) -> bool:
        """Whether the function's return type is `JobResult`."""
        return self._function_signature.returns_job_result

    @cached_property
    def _function_signature(self) -> FunctionSignature:
        with self._locating_errors():
            return read_signature(self.function)

    @contextmanager
    def _locating_errors(self) -> Iterator[None]:
        """Raise errors as `JobDefinitionError` with the function's file and line."""
        try:
            yield
        except (TypeError, ValueError) as error:
            code = self.function.__code__
            location = f"{code.co_filename}, line {code.co_firstlineno}"
            msg = f"job {self.slug!r} ({location}): {error}"
            raise JobDefinitionError(msg) from error

    def handler(self) -> Handler:
        """Return the handler, with all preparation done that its first call would wait for."""
        _ = self.signature
        if inspect.iscoroutinefunction(self.function):
            return self._execute_coroutine
        return self._execute

    def _execute(self, context: JobRunContext) -> JobResult:
        return self._to_job_result(self.function(**self._arguments(context)))

    async def _execute_coroutine(self, context: JobRunContext) -> JobResult:
        return self._to_job_result(await self.function(**self._arguments(context)))

    def _arguments(self, context: JobRunContext) -> Mapping[str, Any]:
        arguments = self.signature.arguments(context.parameters)
        if self._function_signature.context_name is not None:
            arguments[self._function_signature.context_name] = context
        return arguments

    def _to_job_result(self, value: object) -> JobResult:
        if isinstance(value, JobResult):
            return value
        return JobResult(result=self.signature.result_json(value))

    def parameters(self, *args: P.args, **kwargs: P.kwargs) -> dict[str, Json]:
        """Return the arguments of a call as the JSON parameters of a launch.

        Raises:
            TypeError: an argument is missing, unknown or passed twice.
        """
        return self.signature.to_json(args, kwargs)

    def result(self, result: Json) -> R_co:
        """Return a run's result as the function's return type.

        Raises:
            pydantic.ValidationError: the result does not fit the type.
        """
        return cast("R_co", self.signature.result(result))

    def __repr__(self) -> str:
        return f"<job {self.slug!r}: {self.module}.{self.function.__qualname__}>"


def _require_json(fields: Mapping[str, Json]) -> None:
    """Check that each field of a definition can be JSON.

    Raises:
        ValueError: a field cannot; the message names it.
    """
    for name, value in fields.items():
        try:
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            msg = f"{name} cannot be JSON: {error}"
            raise ValueError(msg) from error


class SyncJob(Job[P, R_co]):
    """A job of a `def` function; a call of it calls the function directly."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function as it was written; nothing is launched."""
        returned: R_co = self.function(*args, **kwargs)
        return returned


class AsyncJob(Job[P, R_co]):
    """A job of an `async def` function; a call of it calls the function directly."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R_co]:
        """Call the function as it was written; nothing is launched."""
        returned: Coroutine[Any, Any, R_co] = self.function(*args, **kwargs)
        return returned


R = TypeVar("R")


class JobDecorator(Protocol):
    """What `job(…)` returns: a decorator of `def` and `async def` functions.

    A first parameter of type `JobRunContext` is not a parameter of launches.
    """

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[Concatenate[JobRunContext, P], Coroutine[Any, Any, R]]
    ) -> AsyncJob[P, R]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, Coroutine[Any, Any, R]]
    ) -> AsyncJob[P, R]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[JobRunContext, P], R]) -> SyncJob[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R]) -> SyncJob[P, R]: ...


# The first overload that fits counts, so a coroutine function never becomes a `SyncJob`.
@overload
def job(  # type: ignore[overload-overlap]
    function: Callable[Concatenate[JobRunContext, P], Coroutine[Any, Any, R]], /
) -> AsyncJob[P, R]: ...
@overload
def job(  # type: ignore[overload-overlap]
    function: Callable[P, Coroutine[Any, Any, R]], /
) -> AsyncJob[P, R]: ...
@overload
def job(function: Callable[Concatenate[JobRunContext, P], R], /) -> SyncJob[P, R]: ...
@overload
def job(function: Callable[P, R], /) -> SyncJob[P, R]: ...
@overload
def job(
    slug: str | None = None,
    /,
    *,
    name: str | None = None,
    entry_point: str | None = None,
    type: JobType = "batch",
    timeout: Duration | None = None,
    retries: int = 0,
    retry_strategy: RetryStrategy = "exponential",
    retry_delay: Duration | None = None,
    max_retry_delay: Duration | None = None,
    retry_jitter: Jitter = "none",
    priority: int = 0,
    max_concurrent_runs: int | None = None,
    concurrency_key: str | None = None,
    concurrency_limit: int = 1,
    rate_limit: int | None = None,
    rate_period: Duration | None = None,
    rate_key: str | None = None,
    fairness_key: str | None = None,
    unique: Sequence[str] | None = None,
    unique_until: UniqueUntil = "end",
    on_conflict: OnConflict = "keep",
    start_deadline: Duration | None = None,
    isolation: Isolation = "process",
    cpus: float | None = None,
    memory_mb: int | None = None,
    gpus: int | None = None,
    worker_labels: Mapping[str, str] | None = None,
    retention: Mapping[Outcome, Duration] | None = None,
    metadata: Mapping[str, Json] | None = None,
) -> JobDecorator: ...
def job(  # noqa: PLR0913 - one for each field of a definition
    slug: Callable[..., Any] | str | None = None,
    /,
    *,
    name: str | None = None,
    entry_point: str | None = None,
    type: JobType = "batch",  # noqa: A002 - the field's name
    timeout: Duration | None = None,
    retries: int = 0,
    retry_strategy: RetryStrategy = "exponential",
    retry_delay: Duration | None = None,
    max_retry_delay: Duration | None = None,
    retry_jitter: Jitter = "none",
    priority: int = 0,
    max_concurrent_runs: int | None = None,
    concurrency_key: str | None = None,
    concurrency_limit: int = 1,
    rate_limit: int | None = None,
    rate_period: Duration | None = None,
    rate_key: str | None = None,
    fairness_key: str | None = None,
    unique: Sequence[str] | None = None,
    unique_until: UniqueUntil = "end",
    on_conflict: OnConflict = "keep",
    start_deadline: Duration | None = None,
    isolation: Isolation = "process",
    cpus: float | None = None,
    memory_mb: int | None = None,
    gpus: int | None = None,
    worker_labels: Mapping[str, str] | None = None,
    retention: Mapping[Outcome, Duration] | None = None,
    metadata: Mapping[str, Json] | None = None,
) -> Any:
    """Make a job of a typed function, `def` or `async def`.

    ```python
    @job(timeout="30s", retries=2)
    def greet(name: str, times: Annotated[int, Field(ge=1)] = 1) -> list[str]:
        \"\"\"Greet somebody a few times.\"\"\"
        return [f"Hello, {name}!"] * times
    ```

    The parameters' schema comes from the signature, `outputSchema` from the return type, the
    description from the docstring. Arguments are validated and converted before each call; if they
    do not fit, the run fails without a retry. A parameter annotated as `JobRunContext` gets the
    run's context; make it the first one, so that type checkers do not expect it in launches. The
    function may return a `JobResult`, any JSON value, a pydantic model, a dataclass, or nothing.

    Durations are `"500ms"`, `"30s"`, `"1h30m"`, `"2d"`, a number of seconds, or a `timedelta`.

    Args:
        slug: the name by which the job is launched: up to 100 letters, digits, `-`, `_`. Default:
            the function's name, with `-` for `_`.
        name: the name for people. Default: the slug's words.
        entry_point: the name under which workers register the function. Default: the slug.
        type: `batch`, `service-triggered` or `manual`; it only affects lists.
        timeout: how long one attempt may run (1 s to 1 day). Default: no limit.
        retries: how many attempts may follow a failed first one (0 to 9).
        retry_strategy: whether the delay before a retry is constant (`fixed`), doubles each time
            (`exponential`), or is zero (`none`).
        retry_delay: the delay before the first retry. Default: 1 s.
        max_retry_delay: the longest delay. Default: 1 day.
        retry_jitter: whether delays are random: `full` (from 0 to the delay), `equal` (from half
            of it) or `none`.
        priority: -100 to 100; runs of higher priority start first.
        max_concurrent_runs: the maximum number of its runs at a time.
        concurrency_key: a parameter's name; concurrency is limited for each of its values.
        concurrency_limit: the maximum number of concurrent runs with the same value of it.
        rate_limit: how many of its runs may start within any `rate_period`.
        rate_period: the period of `rate_limit`.
        rate_key: a parameter's name; each of its values has the rate limit to itself.
        fairness_key: a parameter's name; at equal priority, its values are served round-robin.
        unique: parameters' names; runs with the same values of them are duplicates.
        unique_until: a run has no duplicates until it has started (`start`) or ended (`end`).
        on_conflict: `keep` the run instead of a duplicate, or `replace` it while it is pending.
        start_deadline: how long after it is due a run may start; then it expires.
        isolation: `process`: each attempt has a process of its own; `shared`: attempts share one,
            for short, trusted work that mostly waits.
        cpus: how many processors an attempt needs.
        memory_mb: the memory limit of an attempt and its child processes.
        gpus: how many GPUs an attempt needs.
        worker_labels: labels that a worker must have, all of them, to execute its runs.
        retention: how long after its end a run is archived, by outcome, such as
            `{"succeeded": "90d"}`; runs of other outcomes stay in the database.
        metadata: any JSON to store with the definition.
    """

    def decorate(function: Callable[..., Any]) -> SyncJob[..., Any] | AsyncJob[..., Any]:
        if not hasattr(function, "__name__"):
            kind = function.__class__.__name__
            msg = f"a job is made of a function, not of a value of type {kind}: write a def"
            raise JobDefinitionError(msg)
        job_slug = slug if isinstance(slug, str) else _default_slug(function)
        options = JobOptions(
            slug=job_slug,
            name=name or _default_name(job_slug),
            entry_point=entry_point or job_slug,
            type=type,
            timeout=timeout,
            retries=retries,
            retry_strategy=retry_strategy,
            retry_delay=retry_delay,
            max_retry_delay=max_retry_delay,
            retry_jitter=retry_jitter,
            priority=priority,
            max_concurrent_runs=max_concurrent_runs,
            concurrency_key=concurrency_key,
            concurrency_limit=concurrency_limit,
            rate_limit=rate_limit,
            rate_period=rate_period,
            rate_key=rate_key,
            fairness_key=fairness_key,
            unique=unique,
            unique_until=unique_until,
            on_conflict=on_conflict,
            start_deadline=start_deadline,
            isolation=isolation,
            cpus=cpus,
            memory_mb=memory_mb,
            gpus=gpus,
            worker_labels=worker_labels,
            retention=retention,
            metadata=metadata,
        )
        if inspect.iscoroutinefunction(function):
            return AsyncJob(function, options)
        return SyncJob(function, options)

    if callable(slug):
        return decorate(slug)
    return decorate


def _default_slug(function: Callable[..., Any]) -> str:
    return function.__name__.strip("_").replace("_", "-")


def _default_name(slug: str) -> str:
    words = slug.replace("-", " ").replace("_", " ")
    return words[:1].upper() + words[1:]
