"""`POST /jobs/{slug}/run`: the one request that comes by the thousand a second.

So it is answered before FastAPI looks at it, whose own way through middleware, routes, dependencies
and models took a third of a launch's time in a profile. FastAPI documents it, and tells what is
wrong with a launch as with all else.
"""

import logging
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Body, FastAPI, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from api.bootstrap.service import Service
from api.http.dependencies import idempotency_key, origin_of, possible_slug, service_of
from api.http.errors import JsonAnswer, data
from api.http.query_names import refuse_unknown_names
from api.http.strict_json import StrictJsonRoute, parsed_body, read_body
from api.shapes.base import failures
from api.shapes.runs import LaunchBody, LaunchedRun
from domain.commands.jobs import Launched
from domain.errors import LogUnavailableError
from domain.json_values import Json, JsonObject
from domain.ports import Row
from domain.workers import Labels, told
from eventlog.claims import has_worker_with
from eventlog.database.connection import borrowed
from projections import job_definitions, job_runs
from projections.runs import lists

logger = logging.getLogger(__name__)

_BEFORE, _AFTER = "/jobs/", "/run"

_FAILURE = "launch_failure"
"""Key of a request's state: why its launch failed."""


async def launch_run(
    slug: str,
    request: Request,
    key: Annotated[
        str | None, Header(alias="Idempotency-Key", description="at most 255 printable ASCII")
    ] = None,
    body: Annotated[LaunchBody | None, Body()] = None,
) -> JsonAnswer:
    """Launch a run. With an `Idempotency-Key` a repeated request leads to the first run again.

    Where runs of the job are `unique`, and the one that is there is kept, the answer is that one,
    with 200.
    """
    del slug, request, key, body
    raise NotImplementedError  # This is what FastAPI documents; `_launched` launches.


class Launches:
    """Launches, and passes on everything else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a launch, or let the application do it."""
        slug = _slug_of(scope)
        if slug is not None:
            try:
                answer = await _launched(slug, HTTPConnection(scope), receive)
            except Exception as error:  # noqa: BLE001 - whatever it is, the application answers it
                scope["state"][_FAILURE] = error
            else:
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)


class LaunchRoute(StrictJsonRoute):
    """Documents `launch_run`, and raises why a launch failed: it is answered like every failure."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what takes the request."""
        return _failed


async def _failed(request: Request) -> Response:
    failure: Exception | None = request.scope["state"].pop(_FAILURE, None)
    if failure is not None:
        raise failure
    # The router found a launch where we did not.
    return await _launched(request.path_params["slug"], request, request.receive)


def _slug_of(scope: Scope) -> str | None:
    """Return the slug of the job to launch, None if the request is another one."""
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    path: str = scope["path"]
    if not (path.startswith(_BEFORE) and path.endswith(_AFTER)):
        return None
    slug = path[len(_BEFORE) : -len(_AFTER)]
    if not slug or "/" in slug:
        return None
    return slug


async def _launched(slug: str, request: HTTPConnection, receive: Receive) -> JsonAnswer:
    service = service_of(request)
    # Before the body is looked at: strangers' are not even read.
    origin = origin_of(request)
    refuse_unknown_names(request, ())
    raw = await read_body(receive)
    sent = await parsed_body(request, raw)
    body = _validated(sent)
    key = idempotency_key(request)
    launch = body.launch(key, sent if isinstance(sent, dict) else {})
    known_slug = possible_slug(slug)
    launched = await service.jobs.launch(known_slug, launch, origin)
    return await answer_of(launched, service)


async def answer_of(launched: Launched, service: Service) -> JsonAnswer:
    """Answer with a launched run and, where no living worker would take it, with a word of that."""
    row = await row_of(launched, service)
    shown = job_runs.present(row)
    status = status_of(launched)
    if row["status"] != "pending":
        return data(shown, status)
    warnings = await warnings_of(str(row["entry_point"]), launched.worker_labels, service)
    return answer_with(shown, warnings, status)


def answer_with(shown: Json, warnings: list[JsonObject], status: int) -> JsonAnswer:
    """Answer with what a launch made, and with the warnings, if there are any."""
    if not warnings:
        return data(shown, status)
    return JsonAnswer({"data": shown, "meta": {"warnings": warnings}}, status)


async def warnings_of_job(slug: str, service: Service) -> list[JsonObject]:
    """Return why a run of this job, which has just been launched, waits for a worker to start."""
    try:
        async with borrowed(service.pool) as connection:
            job = await job_definitions.by_slug(connection, slug)
    except LogUnavailableError as error:
        logger.warning("cannot look for workers of %s: %s", slug, error)
        return []
    if job is None:
        return []
    return await warnings_of(job["entry_point"], job["worker_labels"], service)


async def warnings_of(entry_point: str, labels: Labels, service: Service) -> list[JsonObject]:
    """Return why runs of this entry point and of these labels wait for a worker to start.

    The launch is in the log by now: a database that is away just then warns of nothing.
    """
    warnings: list[JsonObject] = []
    try:
        if not await service.offered.has(entry_point):
            message = f"no living worker offers {entry_point}: its runs wait until one does"
            warnings.append({"code": "no_worker_offers_entry_point", "message": message})
        if labels:
            async with borrowed(service.pool) as connection:
                has_labels = await has_worker_with(connection, labels)
            if not has_labels:
                message = (
                    f"no living worker has the labels {told(labels)}:"
                    " the run waits until one starts"
                )
                warnings.append({"code": "no_worker_has_labels", "message": message})
    except LogUnavailableError as error:
        logger.warning("cannot look for workers of %s: %s", entry_point, error)
    return warnings


_NOTHING = LaunchBody()


def _validated(sent: Json) -> LaunchBody:
    if sent is None:
        return _NOTHING
    try:
        return LaunchBody.model_validate(sent)
    except ValidationError as error:
        # As FastAPI words it for all other routes.
        errors = [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False)]
        raise RequestValidationError(errors) from None


def install(app: FastAPI) -> None:
    """Add the route to the application, and what answers it."""
    app.router.add_api_route(
        "/jobs/{slug}/run",
        launch_run,
        methods=["POST"],
        status_code=202,
        response_model=LaunchedRun,
        responses={
            200: {"model": LaunchedRun, "description": "the run that is there and kept"},
            **failures(400, 404, 409, 413, 415, 429),
        },
        tags=["jobs"],
        route_class_override=LaunchRoute,
    )
    app.add_middleware(Launches)


def status_of(launched: Launched) -> int:
    """Return the answer's: 200 where a run that was there is kept."""
    return 200 if launched.is_kept else 202


async def row_of(launched: Launched, service: Service) -> Row:
    """Return the row of a launched run: as the launch left it, or today's if it is an older one."""
    if launched.row is not None:
        return launched.row
    async with service.pool.connection() as connection:
        row = await lists.by_id(connection, launched.run_id)
    if row is None:
        msg = f"run {launched.run_id} is in the log but not in job_runs"
        raise LookupError(msg)
    return row
