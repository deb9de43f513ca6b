"""`POST /jobs/{slug}/run`: the one request that comes a thousand times a second.

A middleware answers it before FastAPI does, whose middleware, routes, dependencies and models took
a third of a launch's time in a profile. FastAPI documents the route, and answers failed launches.
"""

import logging
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Body, FastAPI, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from api.bootstrap.service import Service
from api.http.dependencies import (
    TRACEPARENT,
    idempotency_key,
    origin_of,
    possible_slug,
    refuse_unknown_names,
    service_of,
)
from api.http.errors import JsonResponse, data
from api.http.strict_json import StrictJsonRoute, parsed_body, read_body
from api.shapes.base import failures
from api.shapes.runs import LaunchBody, LaunchedRun
from domain.commands.jobs import Jobs, Launched
from domain.errors import LogUnavailableError
from domain.jobs.launching import Launch
from domain.json_values import Json, JsonObject
from domain.ports import Origin, Row
from domain.workers import Labels, labels_text
from eventlog.database.connection import borrowed
from eventlog.entry_points import has_worker_with
from projections import job_definitions, job_runs
from projections.runs import lists
from runtime.logs import add_own_log_fields
from runtime.traceparent import trace_id_of

if TYPE_CHECKING:
    from runtime.tracing import Tracing

logger = logging.getLogger(__name__)

_PATH_PREFIX, _PATH_SUFFIX = "/jobs/", "/run"

_FAILURE = "launch_failure"
"""Key in a request's state: the exception that its launch raised."""


async def launch_run(
    slug: str,
    request: Request,
    key: Annotated[
        str | None, Header(alias="Idempotency-Key", description="at most 255 printable ASCII")
    ] = None,
    traceparent: Annotated[
        str | None, Header(description="W3C's header: the run continues this trace")
    ] = None,
    body: Annotated[LaunchBody | None, Body()] = None,
) -> JsonResponse:
    """Launch a run. With an `Idempotency-Key` a repeated request returns the first run again.

    If runs of the job are `unique`, and an existing run is kept, the answer is that run, with 200,
    and the key stays unused.
    """
    del slug, request, key, traceparent, body
    raise NotImplementedError  # This is what FastAPI documents; `_launch` launches.


class Launches:
    """Middleware that answers launches, and passes on all other requests."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a launch, or let the application do it."""
        slug = _slug_of(scope)
        if slug is not None:
            try:
                response = await _launch(slug, HTTPConnection(scope), receive)
            except Exception as error:  # noqa: BLE001 - whatever it is, the application answers it
                scope["state"][_FAILURE] = error
            else:
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)


class LaunchRoute(StrictJsonRoute):
    """Documents `launch_run`, and raises a launch's exception so that FastAPI answers it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of failed launches."""
        return _raise_failure


async def _raise_failure(request: Request) -> Response:
    failure: Exception | None = request.scope["state"].pop(_FAILURE, None)
    if failure is not None:
        raise failure
    # The router matches a path that `_slug_of` does not.
    return await _launch(request.path_params["slug"], request, request.receive)


def _slug_of(scope: Scope) -> str | None:
    """Return the slug of the job to launch, None if the request is another one."""
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    path: str = scope["path"]
    if not (path.startswith(_PATH_PREFIX) and path.endswith(_PATH_SUFFIX)):
        return None
    slug = path[len(_PATH_PREFIX) : -len(_PATH_SUFFIX)]
    if not slug or "/" in slug:
        return None
    return slug


async def _launch(slug: str, request: HTTPConnection, receive: Receive) -> JsonResponse:
    service = service_of(request)
    arrived_s = monotonic()
    # First, so that the body of a client without the right to launch is not read.
    origin = origin_of(request)
    refuse_unknown_names(request, ())
    document = await parsed_body(request, await read_body(receive))
    body = _validate(document)
    key = idempotency_key(request)
    launch = body.launch(key, document if isinstance(document, dict) else {})
    launch.traceparent = request.scope["state"][TRACEPARENT]
    slug = possible_slug(slug)
    if service.tracing is None:
        launched = await service.jobs.launch(slug, launch, origin)
    else:
        launched = await _launch_in_span(service.tracing, service.jobs, slug, launch, origin)
    return await launch_response(launched, service, arrived_s)


async def _launch_in_span(
    tracing: "Tracing", jobs: Jobs, slug: str, launch: Launch, origin: Origin
) -> Launched:
    """Launch a run within a span, which the run's first event names."""
    with tracing.launch(launch.traceparent) as span:
        launch.traceparent = span.traceparent
        add_own_log_fields(trace=trace_id_of(span.traceparent))
        launched = await jobs.launch(slug, launch, origin)
        # Only now: clients may make up slugs, and names of spans must be few.
        span.rename(f"launch {slug}")
        span.add({"apphub.job": slug, "apphub.run.id": str(launched.run_id)})
        return launched


async def launch_response(
    launched: Launched, service: Service, arrived_s: float | None = None
) -> JsonResponse:
    """Return a launched run, with warnings if no living worker could execute it.

    The status is 202, or 200 if an existing run was kept.

    Args:
        launched: the run.
        service: the process's service.
        arrived_s: when the request arrived, by the monotonic clock: what was read of workers since
            then is recent enough. None reads them again.
    """
    row = await _row_of(launched, service)
    run = job_runs.present(row)
    status = 200 if launched.is_kept else 202
    if row["status"] != "pending":
        return data(run, status)
    entry_point = str(row["entry_point"])
    warnings = await launch_warnings(entry_point, launched.worker_labels, service, arrived_s)
    return response_with_warnings(run, warnings, status)


async def _row_of(launched: Launched, service: Service) -> Row:
    """Return the row of a new run as its launch wrote it, of an older one as it is now.

    Raises:
        LookupError: the run has no row.
    """
    if launched.row is not None:
        return launched.row
    async with service.pool.connection() as connection:
        row = await lists.by_id(connection, launched.run_id)
    if row is None:
        msg = f"run {launched.run_id} is in the log but not in job_runs"
        raise LookupError(msg)
    return row


def response_with_warnings(item: Json, warnings: list[JsonObject], status: int) -> JsonResponse:
    """Return what a launch made, with the warnings, if there are any."""
    if not warnings:
        return data(item, status)
    return JsonResponse({"data": item, "meta": {"warnings": warnings}}, status)


async def launch_warnings_of_job(slug: str, service: Service) -> list[JsonObject]:
    """Return warnings that a run of this job, which was just launched, waits for a worker."""
    try:
        async with borrowed(service.pool) as connection:
            job = await job_definitions.by_slug(connection, slug)
    except LogUnavailableError as error:
        logger.warning("cannot look for workers of %s: %s", slug, error)
        return []
    if job is None:
        return []
    return await launch_warnings(job["entry_point"], job["worker_labels"], service)


async def launch_warnings(
    entry_point: str, labels: Labels, service: Service, since: float | None = None
) -> list[JsonObject]:
    """Return warnings that a run of this entry point and with these labels waits for a worker.

    The launch is in the log already: if the database cannot be reached now, there is no warning.

    Args:
        entry_point: the run's entry point.
        labels: labels that the run requires of its worker.
        service: the process's service.
        since: as of `eventlog.entry_points.OfferedEntryPoints.has`.
    """
    warnings: list[JsonObject] = []
    try:
        if not await service.offered.has(entry_point, since):
            message = f"no living worker offers {entry_point}: its runs wait until one does"
            warnings.append({"code": "no_worker_offers_entry_point", "message": message})
        if labels:
            async with borrowed(service.pool) as connection:
                has_labels = await has_worker_with(connection, labels)
            if not has_labels:
                message = (
                    f"no living worker has the labels {labels_text(labels)}:"
                    " the run waits until one starts"
                )
                warnings.append({"code": "no_worker_has_labels", "message": message})
    except LogUnavailableError as error:
        logger.warning("cannot look for workers of %s: %s", entry_point, error)
    return warnings


_EMPTY_BODY = LaunchBody()


def _validate(document: Json) -> LaunchBody:
    if document is None:
        return _EMPTY_BODY
    try:
        return LaunchBody.model_validate(document)
    except ValidationError as error:
        # In FastAPI's form, as for all other routes.
        errors = [
            {**details, "loc": ("body", *details["loc"])}
            for details in error.errors(include_url=False)
        ]
        raise RequestValidationError(errors) from None


def install(app: FastAPI) -> None:
    """Add the route and its middleware to the application."""
    app.router.add_api_route(
        "/jobs/{slug}/run",
        launch_run,
        methods=["POST"],
        status_code=202,
        response_model=LaunchedRun,
        responses={
            200: {"model": LaunchedRun, "description": "the existing run, which is kept"},
            **failures(400, 404, 409, 413, 415, 429),
        },
        tags=["jobs"],
        route_class_override=LaunchRoute,
    )
    app.add_middleware(Launches)
