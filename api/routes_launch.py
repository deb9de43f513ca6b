"""`POST /jobs/{slug}/run`: the one request that comes by the thousand a second.

So its route is looked up before all others, and hands it path, header and body itself. FastAPI's own way, through
dependencies and a model for each parameter, took a quarter of a launch's time in a profile.
"""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Body, FastAPI, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from api.answers import Data, JsonAnswer, Run, data, failures
from api.bodies import LaunchBody
from api.context import idempotency_key, origin_of, possible_slug, service_of
from api.service import Service
from api.strict_json import StrictJsonRoute, sent_body
from domain.application import Launched
from domain.json_values import Json
from domain.ports import Row
from projections import job_runs, run_queries


async def launch_run(
    slug: str,
    request: Request,
    key: Annotated[str | None, Header(alias="Idempotency-Key", description="at most 255 printable ASCII")] = None,
    body: Annotated[LaunchBody | None, Body()] = None,
) -> JsonAnswer:
    """Launch a run. With an `Idempotency-Key` a repeated request leads to the first run again."""
    service = service_of(request)
    launch = (body or LaunchBody()).launch(idempotency_key(key), sent_body(request))
    launched = await service.jobs.launch(possible_slug(slug), launch, origin_of(request))
    return data(job_runs.present(await row_of(launched, service)), 202)


class LaunchRoute(StrictJsonRoute):
    """Calls `launch_run` with what its signature says, which FastAPI only documents."""

    def get_request_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what takes a request whose body is parsed."""
        return _launch


async def _launch(request: Request) -> Response:
    slug, key = request.path_params["slug"], request.headers.get("idempotency-key")
    sent = await request.json() if await request.body() else None
    return await launch_run(slug, request, key, None if sent is None else _validated(sent))


def _validated(sent: Json) -> LaunchBody:
    try:
        return LaunchBody.model_validate(sent)
    except ValidationError as error:
        # As FastAPI words it for all other routes.
        errors = [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False)]
        raise RequestValidationError(errors) from None


def install(app: FastAPI) -> None:
    """Add the route to the application."""
    app.router.add_api_route(
        "/jobs/{slug}/run",
        launch_run,
        methods=["POST"],
        status_code=202,
        response_model=Data[Run],
        responses=failures(400, 404, 409, 413, 415, 429),
        tags=["jobs"],
        route_class_override=LaunchRoute,
    )


async def row_of(launched: Launched, service: Service) -> Row:
    """Return the row of a launched run: as the launch left it, or as it is today if it was launched before."""
    if launched.row is not None:
        return launched.row
    async with service.pool.connection() as connection:
        row = await run_queries.by_id(connection, launched.run_id)
    if row is None:
        msg = f"run {launched.run_id} is in the log but not in job_runs"
        raise LookupError(msg)
    return row
