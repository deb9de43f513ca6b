"""How the API describes itself: OpenAPI, and the page that shows it without any other server.

First the page `/docs`; then what parameters and fields mean, by name; then operation ids and
examples; last `describe`, which puts them into the application's OpenAPI.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import FileResponse, HTMLResponse, Response
from fastapi.routing import APIRoute
from pydantic.alias_generators import to_camel

from api.access import QUERY_TOKEN_PATHS
from domain.json_values import JsonObject

# `/docs`: OpenAPI for people, served from here alone.
#
# Swagger UI's files come with the package `fastapi-offline`, which is never imported.

router = APIRouter(include_in_schema=False)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>AppHub Jobs: the API</title>
<link rel="icon" href="docs/favicon.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

_START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
"""

_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:;"
    " style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)

_FILES = ("favicon.png", "swagger-ui.css", "swagger-ui-bundle.js")

_KEPT = {"Cache-Control": "public, max-age=3600"}


@router.get("/docs")
async def show_page() -> HTMLResponse:
    """Show the API."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})


@router.get("/docs/start.js")
async def start() -> Response:
    """Return the page's own script: none may stand in the page itself."""
    return Response(_START, media_type="text/javascript")


def _add(name: str) -> None:
    async def file() -> FileResponse:
        return FileResponse(_directory() / name, headers=_KEPT)

    router.add_api_route(f"/docs/{name}", file, methods=["GET"])


def _directory() -> Path:
    spec = find_spec("fastapi_offline")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the package fastapi-offline is not installed")
    return Path(spec.origin).parent / "static"


for _name in _FILES:
    _add(_name)


# What parameters and fields mean, by name, where their own declaration does not say it.
#
# A name that means something else in one shape is listed as `Shape.field`.

PARAMETERS = {
    "slug": "a job's slug, ignoring case",
    "run_id": "a run's id",
    "worker_id": "a worker's id",
    "bulk_id": "a bulk operation's id",
    "schedule_id": "what the schedule is called, ignoring case",
    "fingerprint": "what names a group of failures",
    "limit": "how many entries a page has at most",
    "offset": "how many entries to skip",
    "search": "words that id, slug, parameters or error hold",
    "actor": "who caused the event",
}

_COMMON = {
    "id": "assigned by the service",
    "slug": "letters, digits, - and _; unique ignoring case",
    "name": "for people",
    "description": "for people; where the author gave none, the repository's own",
    "type": "what kind it is",
    "version": "grows with each revision",
    "status": "where it stands",
    "createdAt": "when it was made",
    "updatedAt": "when it last changed",
    "startedAt": "when it began; null before",
    "completedAt": "when it ended; null before",
    "durationMs": "how long it took; null before its end",
    "errorMessage": "why it failed, for people; null where it did not",
    "failureReason": "why it failed, for programs; null where it did not",
    "attempt": "which attempt this is, counted from 1",
    "maxAttempts": "how many attempts there may be",
    "timeoutMs": "how long one attempt may take; null: no limit",
    "priority": "-100 to 100; higher ones are claimed first",
    "startDeadlineMs": "a run that has not started so long after it was due expires",
    "reason": "why, for people",
    "position": "a place in the log",
    "asOf": "the position that is shown, where `asOf` was asked for",
    "limit": "how many entries a page has at most",
    "offset": "how many entries were skipped",
    "nextOffset": "the `offset` of the next page; null at the end",
    "nextCursor": "the `cursor` of the next page; null at the end",
    "hasMore": "whether there is a next page",
    "total": "how many entries there are on all pages",
    "count": "how many entries are on this page",
    "next": "the `after` of the next page; null at the end",
    "data": "the answer",
    "meta": "about the answer",
    "message": "for people",
    "key": "a tag's name",
    "value": "a tag's value",
}

_JOBS = {
    "entryPoint": "the name of the handler that executes runs",
    "runtime": "what the handler is written in; kept as given",
    "parametersSchema": "JSON Schema that the parameters of each run satisfy",
    "defaultParameters": "what is added to the parameters of each run that leaves it out",
    "outputSchema": "JSON Schema that the result of each run satisfies, or the run fails",
    "retryPolicy": "when failed attempts are tried again",
    "metadata": "any JSON of yours",
    "moduleId": "the module",
    "moduleBinding": "the platform's module that the job belongs to; kept as given",
    "maxConcurrentRuns": "how many runs of the job may run at a time; null: any number",
    "concurrencyKey": "a parameter's name: runs with the same value of it take turns",
    "concurrencyLimit": "how many runs with the same value of `concurrencyKey` may run at a time",
    "rateLimit": "how many runs may start within a period; null: any number",
    "fairnessKey": "a parameter's name: at equal priority, its values take turns to start",
    "limit": "how many starts",
    "unique": "which runs stand for each other, so that one of them is enough; null: none do",
    "until": "another run may come once it has started, or ended",
    "onConflict": "which run gives way: the newer one, or the older one while it is pending",
    "periodMs": "any stretch of so many milliseconds",
    "resources": "what an attempt may use",
    "workerLabels": "labels that a worker must have to execute runs: values by name",
    "isolation": "whether each attempt has a process to itself, or many share one",
    "retention": "how long after their end runs are archived, by how they ended; null: never",
    "succeededMs": "after the end of runs that succeeded; left out: they stay",
    "failedMs": "after the end of runs that failed; left out: they stay",
    "canceledMs": "after the end of runs that were canceled; left out: they stay",
    "expiredMs": "after the end of runs that expired; left out: they stay",
    "paused": "since when and why nothing of it starts; null: it may",
    "at": "since when",
    "by": "who wanted it",
    "cpus": "processors; noted, not enforced",
    "memoryMb": "megabytes; an attempt that uses more is ended",
    "gpus": "graphics processors; noted, not enforced",
    "strategy": "how the delay grows; `none` retries at once",
    "initialDelayMs": "before the second attempt",
    "maxDelayMs": "the longest delay",
    "jitter": "how much of a delay is left to chance",
    "job": "the job",
    "runs": "the page's runs",
    "ready": "whether jobs for it can be executed",
    "checkedAt": "when that was looked at",
    "details": "who executes",
    "workers": "how many workers do",
}

_RUNS = {
    "jobDefinitionId": "the job's id",
    "definitionVersion": "the version of the job that the run was launched with, and keeps to",
    "parameters": "what the handler is given",
    "result": "what the handler returned; null before",
    "metrics": "what was measured of it",
    "context": "what the launcher gave, with what the handler added",
    "scheduledAt": "when it is due, or was",
    "delayMs": "how long after its launch a run is due",
    "cancelRequestedAt": "when somebody asked to cancel it; null where nobody did",
    "idempotencyKey": "by which its launch may be repeated; null where none was given",
    "requestedBy": "who launched it",
    "logsUrl": "where its log is; null before it started",
    "execution": "which execution this is, counted from 1; an attempt may have several",
    "workerId": "the worker that executed it",
    "endedAt": "when it ended; null before",
    "outcome": "how it ended",
    "run": "the run",
    "pending": "runs that wait",
    "running": "runs that are executed",
    "succeeded": "runs that succeeded",
    "failed": "runs that failed for good",
    "canceled": "runs that were canceled",
    "expired": "runs that ran out of time",
}


_FAILURE_GROUPS = {
    "fingerprint": "names the group: the same for all failures that are alike",
    "title": "the message, with words in place of what varies",
    "frame": "the innermost function of the handler's own code; null where no traceback is known",
    "recovered": "attempts that failed so and whose run, or a retry of it, has succeeded since",
    "firstAt": "when the first attempt failed so",
    "lastAt": "when the last one did",
    "affectedVersions": "versions of the job in which it failed so, the newest 100",
    "sampleRun": "the run of the last one",
    "changedBy": "who resolved, ignored or reopened it last; `system`: a run failed so again",
    "resolvedAt": "when it was last resolved",
    "resolvedInVersion": "the version of the job from which on a failure opens it again",
    "searchedUntil": "the position up to which failures are noted",
    "FailureGroup.job": "the job's slug",
    "FailureGroup.reason": "the attempts' `failureReason`",
    "FailureGroup.count": "attempts that failed so and whose run has not succeeded since",
    "FailureGroup.status": "`resolved` also once none of its failures is left",
}

_SCHEDULES = {
    "cron": "minute, hour, day of month, month, day of week, on the clocks of the zone",
    "everyMs": "an interval instead of `cron`, counted from `startAt`, or from 1970",
    "timeZone": "an IANA name, such as Europe/Berlin",
    "exclude": "cron expressions: ticks in a minute that one of them names are skipped",
    "overlap": "what is done about a tick while a run that a tick launched has not ended",
    "catchUpMs": "ticks that fired for longer before anybody looked again are missed",
    "jitterMs": "each tick is late by some time up to this, but never into the next one",
    "startAt": "no tick before it",
    "endAt": "no tick after it",
    "pauseOnFailure": "whether it pauses when a run of it fails or expires",
    "paused": "`at`, `by`, `reason` and the `runId` that failed; null while it is not",
    "nextAt": "when the next tick fires; null where none is to come",
    "lastTick": "`dueAt`, `outcome`, `reason` and `runId` of the last that was decided",
    "openRuns": "ids of its runs that were not found to have ended",
    "manualRuns": "those of them that people launched, by a trigger or a backfill",
    "buffered": "when the ticks were due that wait for those",
    "deletedAt": "when it was deleted; null in lists",
    "decidedAt": "when that was decided",
    "from": "the first time at which a tick may have been due",
    "to": "the last one",
    "isExcluded": "whether it will be skipped for `exclude`",
}

_EVENTS = {
    "eventId": "the event's own id",
    "subject": "whom it is about",
    "occurredAt": "when it was decided",
    "recordedAt": "when it was written; null in logs that did not note it yet",
    "actor": "who caused it: a principal, a worker, the service",
    "correlationId": "what all events of one story have in common",
    "causationId": "the event or the request that led to it",
    "erasedAt": "when the key was destroyed",
}

_FAILURES = {
    "error": "what went wrong, for people",
    "code": "what went wrong, for programs",
    "issues": "each broken rule",
    "formErrors": "what is wrong with the body as a whole",
    "fieldErrors": "what is wrong with single fields",
    "keyword": "the rule, as JSON Schema calls it",
    "reasons": "what is missing",
}

_SPECIAL = {
    "BulkOperation.action": "what is done to each run",
    "BulkOperation.filter": "the conditions that chose the runs",
    "BulkOperation.total": "how many runs were chosen",
    "BulkOperation.done": "how many runs it was done to so far",
    "BulkOperation.refused": "how many runs refused it so far; they are as they were",
    "BulkOperation.refusals": "the first twenty of those, each with `run`, `code` and `why`;"
    " the operation's events have all",
    "BulkOperation.patch": "parameters that new runs got instead of those of the old",
    "BulkOperation.requestedBy": "who ordered it",
    "BulkOperation.abortReason": "why it was stopped",
    "BulkBody.patch": "what new runs get instead; the filter must name their job",
    "RetryGroupBody.patch": "what new runs get instead",
    "Schedule.id": "as it was created",
    "Schedule.job": "the slug of the job that it launches",
    "ScheduleBody.id": "letters, digits, - and _; unique ignoring case",
    "ScheduleBody.job": "the slug of the job to launch",
    "SchedulePatch.job": "the slug of the job to launch",
    "JobBrief.version": "the newest",
    "Event.version": "which event of its subject this is, counted from 1",
    "Event.type": "such as `job_run.started`",
    "Event.data": "what the event says",
    "Subject.type": "`job_run`, `job_definition`, `repository`, `build`, …",
    "Subject.id": "its id",
    "EraseBody.subject": "the value that the schemas' `x-subject` names",
    "Worker.id": "made of host, process and chance; new with each start",
    "Health.status": "always `ok`",
    "Page_RunCounts_CountsMeta_.data": "how many runs there are in each status",
}

FIELDS = {
    **_COMMON,
    **_JOBS,
    **_RUNS,
    **_SCHEDULES,
    **_FAILURE_GROUPS,
    **_EVENTS,
    **_FAILURES,
    **_SPECIAL,
}


# What OpenAPI calls each operation, and an example of each body.
#
# The ids are the names of functions in generated clients: they stay, whatever our own names become.
# A test sends each example as it is, to a service that has what the example names.

IDS: Mapping[str, str] = {
    "GET /health": "getHealth",
    "GET /ready": "getReadiness",
    "GET /metrics": "getMetrics",
    "GET /jobs": "listJobs",
    "POST /jobs": "registerJob",
    "GET /jobs/runtimes": "listRuntimes",
    "GET /jobs/{slug}": "getJob",
    "PATCH /jobs/{slug}": "reviseJob",
    "DELETE /jobs/{slug}": "deleteJob",
    "POST /jobs/{slug}/pause": "pauseJob",
    "POST /jobs/{slug}/resume": "resumeJob",
    "POST /jobs/{slug}/run": "launchRun",
    "GET /jobs/{slug}/runs": "listJobRuns",
    "GET /jobs/{slug}/what-if": "simulateJob",
    "GET /job-runs": "listRuns",
    "GET /job-runs/counts": "countRuns",
    "GET /job-runs/waiting": "listWaitingRuns",
    "GET /job-runs/{run_id}": "getRun",
    "POST /job-runs/{run_id}/cancel": "cancelRun",
    "POST /job-runs/{run_id}/retry": "retryRun",
    "GET /job-runs/{run_id}/logs": "getRunLogs",
    "GET /job-runs/{run_id}/events": "listRunEvents",
    "GET /job-runs/{run_id}/attempts": "listRunAttempts",
    "GET /job-runs/{run_id}/explain": "explainRun",
    "GET /events": "listEvents",
    "GET /events/seal": "getSeal",
    "GET /events/stream": "streamEvents",
    "POST /subjects/erase": "eraseSubject",
    "GET /workers": "listWorkers",
    "GET /workers/unoffered": "listUnofferedEntryPoints",
    "POST /workers/{worker_id}/drain": "drainWorker",
    "POST /bulk": "startBulkOperation",
    "GET /bulk": "listBulkOperations",
    "GET /bulk/{bulk_id}": "getBulkOperation",
    "POST /bulk/{bulk_id}/abort": "abortBulkOperation",
    "POST /schedules": "createSchedule",
    "GET /schedules": "listSchedules",
    "GET /schedules/{schedule_id}": "getSchedule",
    "PATCH /schedules/{schedule_id}": "reviseSchedule",
    "DELETE /schedules/{schedule_id}": "deleteSchedule",
    "POST /schedules/{schedule_id}/pause": "pauseSchedule",
    "POST /schedules/{schedule_id}/resume": "resumeSchedule",
    "POST /schedules/{schedule_id}/trigger": "triggerSchedule",
    "POST /schedules/{schedule_id}/backfill": "backfillSchedule",
    "GET /schedules/{schedule_id}/preview": "previewSchedule",
    "POST /schedules/preview": "previewDraft",
    "GET /schedules/{schedule_id}/ticks": "listTicks",
    "GET /failures": "listFailures",
    "GET /failures/{fingerprint}": "getFailure",
    "POST /failures/{fingerprint}/resolve": "resolveFailure",
    "POST /failures/{fingerprint}/ignore": "ignoreFailure",
    "POST /failures/{fingerprint}/reopen": "reopenFailure",
    "POST /failures/{fingerprint}/retry": "retryFailure",
}

_SCHEDULE: JsonObject = {
    "cron": "30 2 * * *",
    "timeZone": "Europe/Berlin",
    "exclude": ["* * 25 12 *"],
    "overlap": "skip",
    "catchUpMs": 60_000,
    "jitterMs": 10_000,
}

EXAMPLES: Mapping[str, JsonObject] = {
    "registerJob": {
        "slug": "nightly-report",
        "name": "Nightly report",
        "type": "batch",
        "entryPoint": "reports.nightly",
        "parametersSchema": {
            "type": "object",
            "required": ["region"],
            "properties": {"region": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
        },
        "defaultParameters": {"days": 1},
        "timeoutMs": 60_000,
        "retryPolicy": {
            "maxAttempts": 3,
            "strategy": "exponential",
            "initialDelayMs": 1_000,
            "maxDelayMs": 60_000,
            "jitter": "equal",
        },
        "moduleBinding": {"moduleId": "reports", "targetName": "nightly"},
        "metadata": {"owner": "statistics"},
    },
    "reviseJob": {"timeoutMs": 120_000, "priority": 10},
    "pauseJob": {"reason": "the warehouse moves"},
    "launchRun": {"parameters": {"region": "eu", "days": 7}, "delayMs": 60_000},
    "cancelRun": {"reason": "launched by mistake"},
    "eraseSubject": {"subject": "customer-4711", "reason": "asked for by letter"},
    "startBulkOperation": {
        "action": "cancel",
        "filter": ["job=nightly-report", "status=pending"],
        "reason": "the warehouse is away",
        "dryRun": False,
    },
    "abortBulkOperation": {"reason": "too many runs"},
    "createSchedule": {
        "id": "every-night",
        "job": "nightly-report",
        "parameters": {"region": "eu"},
        **_SCHEDULE,
    },
    "reviseSchedule": {"cron": "0 3 * * *"},
    "pauseSchedule": {"reason": "the warehouse moves"},
    "backfillSchedule": {"from": "2026-11-01T00:00:00Z", "to": "2026-11-08T00:00:00Z"},
    "previewDraft": _SCHEDULE,
    "resolveFailure": {"inVersion": 2},
    "retryFailure": {"reason": "the warehouse is back", "dryRun": False},
}
"""Bodies by the id of their operation."""


@dataclass(frozen=True, kw_only=True)
class Words:
    """What OpenAPI says beyond what routes and shapes declare.

    Attributes:
        operations: ids by method and path.
        parameters: meanings by name.
        fields: meanings by name, or by `Shape.field`.
        examples: bodies by the id of their operation.
    """

    operations: Mapping[str, str]
    parameters: Mapping[str, str]
    fields: Mapping[str, str]
    examples: Mapping[str, JsonObject]

    def __or__(self, others: Words) -> Words:
        """Return these words and others."""
        return Words(
            operations={**self.operations, **others.operations},
            parameters={**self.parameters, **others.parameters},
            fields={**self.fields, **others.fields},
            examples={**self.examples, **others.examples},
        )

    def operation_id(self, route: APIRoute) -> str:
        """Return what generated clients call the operation."""
        for method in route.methods or ():
            operation = self.operations.get(f"{method} {route.path_format}")
            if operation is not None:
                return operation
        return to_camel(route.name)


WORDS = Words(operations=IDS, parameters=PARAMETERS, fields=FIELDS, examples=EXAMPLES)
"""The words of the API's own routes and shapes."""


# OpenAPI that is true: who may call, what is refused and how, and what fields mean.

OpenApiObject = dict[str, Any]

_BEARER = "token"
_QUERY = "tokenInQuery"

_SCHEMES: OpenApiObject = {
    _BEARER: {
        "type": "http",
        "scheme": "bearer",
        "description": "A token that the operator gave out, for reading or also for writing.",
    },
    _QUERY: {
        "type": "apiKey",
        "in": "query",
        "name": "token",
        "description": "The same for a stream: browsers send no headers with an EventSource.",
    },
}


def describe(app: FastAPI, words: Words, *, open_to_all: bool) -> None:
    """Let the application's OpenAPI be ours.

    Args:
        app: with all its routes.
        words: of these routes.
        open_to_all: whether there are no tokens.
    """

    def openapi() -> OpenApiObject:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            _amend(schema, words, open_to_all=open_to_all)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _amend(schema: OpenApiObject, words: Words, *, open_to_all: bool) -> None:
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            # Broken input is answered with 400.
            operation["responses"].pop("422", None)
            _secure(path, operation, open_to_all=open_to_all)
            _exemplify(operation, words)
            for parameter in operation.get("parameters", []):
                _describe_parameter(parameter, words)
    components = schema["components"]
    components["securitySchemes"] = _SCHEMES
    shapes = components["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        shapes.pop(unused, None)
    for name, shape in shapes.items():
        _describe_fields(name, shape, words)


def _exemplify(operation: OpenApiObject, words: Words) -> None:
    """Show an example of the body that the operation takes."""
    example = words.examples.get(operation["operationId"])
    if example is not None:
        operation["requestBody"]["content"]["application/json"]["example"] = example


def _secure(path: str, operation: OpenApiObject, *, open_to_all: bool) -> None:
    """Say which tokens an operation takes: those that can be answered 401 need one."""
    if "401" not in operation["responses"]:
        operation["security"] = []
        return
    ways: list[OpenApiObject] = [{_BEARER: []}]
    if path in QUERY_TOKEN_PATHS:
        ways.append({_QUERY: []})
    if open_to_all:
        ways.append({})
    operation["security"] = ways


def _describe_parameter(parameter: OpenApiObject, words: Words) -> None:
    meaning = words.parameters.get(parameter["name"])
    if meaning is not None:
        parameter.setdefault("description", meaning)


def _describe_fields(shape_name: str, shape: OpenApiObject, words: Words) -> None:
    fields = shape.get("properties", {})
    for name, field in fields.items():
        meaning = words.fields.get(f"{shape_name}.{name}") or words.fields.get(name)
        if meaning is not None:
            field.setdefault("description", meaning)
