"""Calls of jobs in the test's own process: arguments and results go through JSON as in a run."""

import asyncio
import json
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar, cast, overload

from apphub_jobs.contract import Handler, JobResult, JobRunContext, Json
from apphub_jobs.details import DefinitionDetails, RunDetails
from apphub_jobs.process.encoding import encode
from apphub_jobs.process.reports import Reported
from apphub_jobs.typed.job import Job

P = ParamSpec("P")
R = TypeVar("R")

RUN_ID = "00000000-0000-7000-8000-000000000000"
"""The id of a run that there is not."""


@overload
def call(job: Job[P, R], /, *args: P.args, **parameters: P.kwargs) -> R: ...
@overload
def call(job: Callable[[JobRunContext], Any], /, **parameters: Json) -> Any: ...
def call(job: Job[..., Any] | Handler, /, *args: Any, **parameters: Any) -> Any:
    """Call a job, and return its result, as a client would have it.

    The arguments are validated and converted as in a run. An `async def` is run to its end; in a
    test that awaits use `acall`.

    Args:
        job: a function under `@job`, or a plain handler.
        *args: the function's arguments.
        **parameters: the parameters by name.

    Raises:
        PermanentError: the parameters do not fit; besides, whatever the job raises.
        NotJsonError: the result cannot be JSON; the message tells the place.
    """
    handler, context = _prepared(job, args, parameters)
    returned = handler(context)
    if isinstance(returned, Awaitable):
        returned = asyncio.run(_awaited(returned))
    return _result(job, returned)


@overload
async def acall(job: Job[P, R], /, *args: P.args, **parameters: P.kwargs) -> R: ...
@overload
async def acall(job: Callable[[JobRunContext], Any], /, **parameters: Json) -> Any: ...
async def acall(job: Job[..., Any] | Handler, /, *args: Any, **parameters: Any) -> Any:
    """Do the same as `call` in a test that awaits."""
    handler, context = _prepared(job, args, parameters)
    returned = handler(context)
    if isinstance(returned, Awaitable):
        returned = await returned
    return _result(job, returned)


async def _awaited(returned: Awaitable[object]) -> object:
    return await returned


def _prepared(
    job: Job[..., Any] | Handler, args: tuple[Any, ...], parameters: Mapping[str, Any]
) -> tuple[Handler, JobRunContext]:
    if not isinstance(job, Job):
        return job, _context({}, _through_json(parameters))
    given = job.parameters(*args, **parameters)
    return job.handler(), _context(job.definition, _through_json(given))


def _context(
    definition: Mapping[str, Json], parameters: Mapping[str, Json]
) -> JobRunContext:
    slug = definition.get("slug", "test")
    policy = definition.get("retryPolicy") or {}
    run = {
        "id": RUN_ID,
        "slug": slug,
        "attempt": 1,
        "maxAttempts": policy.get("maxAttempts", 1),
        "context": {},
    }
    known = {
        "name": slug,
        "type": "batch",
        "entryPoint": slug,
        "timeoutMs": None,
        "retryPolicy": None,
        "metadata": None,
        "resources": None,
        **definition,
        "slug": slug,
        "version": 1,
    }
    reported = Reported()

    def send_report(report: Mapping[str, Json]) -> None:
        reported.add(report)

    return JobRunContext(
        definition=DefinitionDetails(known),
        run=RunDetails(run),
        parameters=parameters,
        inputs={},
        settings={},
        logger=logging.getLogger("job"),
        cancelled=threading.Event(),
        deadline=None,
        send_report=send_report,
    )


def _result(job: Job[..., Any] | Handler, returned: object) -> Any:
    """Return what a client would make of what was returned."""
    if not isinstance(returned, JobResult):
        return _through_json({"result": returned})["result"]
    result = _through_json({"result": returned.result})["result"]
    if (
        isinstance(job, Job)
        and not job.returns_job_result
        and returned.status == "succeeded"
    ):
        return job.result(result)
    return replace(returned, result=result)


def _through_json(values: Mapping[str, Any]) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(encode(values)))
