"""`job`: makes a job of a function."""

import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from apphub_jobs.contract import JobRunContext, Json
from apphub_jobs.typed.durations import Duration
from apphub_jobs.typed.job import AsyncJob, SyncJob
from apphub_jobs.typed.options import (
    Isolation,
    Jitter,
    JobOptions,
    JobType,
    OnConflict,
    Outcome,
    RetryStrategy,
    UniqueUntil,
)
from apphub_jobs.typed.reading import JobDefinitionError

P = ParamSpec("P")
R = TypeVar("R")


class JobDecorator(Protocol):
    """What `job(…)` returns: a decorator of `def` and `async def` functions.

    A `JobRunContext` that comes first is no parameter of launches.
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
    def __call__(
        self, function: Callable[Concatenate[JobRunContext, P], R]
    ) -> SyncJob[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R]) -> SyncJob[P, R]: ...


# The first that fits counts, so a coroutine function never becomes a `SyncJob`.
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
    description from the docstring. Arguments are validated and converted before each call: those
    that do not fit fail the run for good. A parameter annotated as `JobRunContext` gets the run's
    context; put it first, so that type checkers know that launches do not give it. The function may
    return a `JobResult`, anything that JSON can hold, a pydantic model, a dataclass, or nothing.

    Durations are `"500ms"`, `"30s"`, `"1h30m"`, `"2d"`, a number of seconds, or a `timedelta`.

    Args:
        slug: the name by which the job is launched: up to 100 letters, digits, `-`, `_`. Default:
            the function's, with `-` for `_`.
        name: what people read. Default: the slug's words.
        entry_point: by what name a worker finds the function. Default: the slug.
        type: `batch`, `service-triggered` or `manual`; it changes nothing but lists.
        timeout: how long one attempt may run (1 s to 1 day). Default: without limit.
        retries: how many attempts may follow a failed first one (0 to 9).
        retry_strategy: whether the delay before a retry stays the same (`fixed`), doubles each time
            (`exponential`), or there is none (`none`).
        retry_delay: the delay before the first retry. Default: 1 s.
        max_retry_delay: no delay gets longer. Default: 1 day.
        retry_jitter: whether delays are drawn: `full` (anything up to the delay), `equal` (at least
            half of it) or `none`.
        priority: -100 to 100; what is higher starts first.
        max_concurrent_runs: how many of its runs may run at a time.
        concurrency_key: a parameter's name: runs with the same value of it take turns.
        concurrency_limit: how many runs with the same value of it may run at a time.
        rate_limit: how many of its runs may start within `rate_period`.
        rate_period: any stretch of time so long.
        rate_key: a parameter's name: each of its values has that limit to itself.
        fairness_key: a parameter's name: at equal priority, its values take turns to start.
        unique: parameters' names: of runs with the same values of them, one is enough.
        unique_until: another one may come once it has started (`start`) or ended (`end`).
        on_conflict: until then, `keep` it instead of a new one, or `replace` it while it is
            pending.
        start_deadline: a run that has not started so long after its time expires.
        isolation: `process`: each attempt has a process to itself; `shared`: many share one, for
            short, trusted work that mostly waits.
        cpus: how many processors an attempt wants.
        memory_mb: what an attempt may use at most, all that it starts included.
        gpus: how many an attempt wants.
        worker_labels: labels that a worker must have to execute its runs, all of them.
        retention: how long after its end a run is archived, by how it ended, such as
            `{"succeeded": "90d"}`; what is not named stays in the database.
        metadata: anything to keep with the definition.
    """

    def decorate(
        function: Callable[..., Any],
    ) -> SyncJob[..., Any] | AsyncJob[..., Any]:
        if not hasattr(function, "__name__"):
            kind = function.__class__.__name__
            msg = f"a job is made of a function, not of a value of type {kind}: write a def"
            raise JobDefinitionError(msg)
        own_slug = _slug(function)
        if isinstance(slug, str):
            own_slug = slug
        options = JobOptions(
            slug=own_slug,
            name=name or _name(own_slug),
            entry_point=entry_point or own_slug,
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


def _slug(function: Callable[..., Any]) -> str:
    return function.__name__.strip("_").replace("_", "-")


def _name(slug: str) -> str:
    words = slug.replace("-", " ").replace("_", " ")
    return words[:1].upper() + words[1:]
