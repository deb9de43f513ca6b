"""The API's own documentation: the page `/docs`, and OpenAPI's texts that routes do not declare.

First the page `/docs`; then descriptions of parameters and fields, by name; then operation ids and
examples; last `describe`, which adds them to the application's OpenAPI.
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

# The page `/docs`. Swagger UI's files come with the package `fastapi-offline`, which is never
# imported, so that the page loads nothing from other servers.

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

_CACHED = {"Cache-Control": "public, max-age=3600"}


@router.get("/docs")
async def show_page() -> HTMLResponse:
    """Show the API."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})


@router.get("/docs/start.js")
async def get_start_script() -> Response:
    """Return the script that starts Swagger UI; the page's policy allows no inline script."""
    return Response(_START, media_type="text/javascript")


def _add_file_route(name: str) -> None:
    async def get_file() -> FileResponse:
        return FileResponse(_swagger_directory() / name, headers=_CACHED)

    router.add_api_route(f"/docs/{name}", get_file, methods=["GET"])


def _swagger_directory() -> Path:
    spec = find_spec("fastapi_offline")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the package fastapi-offline is not installed")
    return Path(spec.origin).parent / "static"


for _name in _FILES:
    _add_file_route(_name)


# Descriptions of parameters and fields whose declarations have none, by name.
#
# `Shape.field` lists a name that has another meaning in one shape.

PARAMETERS = {
    "slug": "a job's slug, ignoring case",
    "run_id": "a run's id",
    "worker_id": "a worker's id",
    "bulk_id": "a bulk operation's id",
    "schedule_id": "a schedule's id, ignoring case",
    "fingerprint": "a failure group's fingerprint",
    "name": "a saved view's name",
    "limit": "how many entries a page has at most",
    "offset": "how many entries to skip",
    "search": "words in the id, slug, parameters or error",
    "actor": "who caused the event",
}

_COMMON = {
    "id": "assigned by the service",
    "slug": "letters, digits, - and _; unique ignoring case",
    "name": "for people",
    "description": "for people; the repository's own if the author gave none",
    "type": "its kind",
    "version": "grows with each revision",
    "status": "its state",
    "createdAt": "when it was made",
    "updatedAt": "when it last changed",
    "startedAt": "when it began; null before",
    "completedAt": "when it ended; null before",
    "durationMs": "how long it took; null before its end",
    "errorMessage": "why it failed, for people; null if it did not",
    "failureReason": "why it failed, for programs; null if it did not",
    "attempt": "the attempt's number, from 1",
    "maxAttempts": "how many attempts there may be",
    "timeoutMs": "how long one attempt may take; null: no limit",
    "priority": "-100 to 100; higher ones are claimed first",
    "startDeadlineMs": "a run expires that has not started this long after its first due time",
    "reason": "why, for people",
    "position": "a position in the log",
    "asOf": "the log position that is shown, if the request has `asOf`",
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
    "runtime": "what the handler is written in; kept as sent",
    "parametersSchema": "JSON Schema that the parameters of each run must satisfy",
    "defaultParameters": "parameters of runs that leave them out",
    "outputSchema": "JSON Schema that the result of each run must satisfy, or the run fails",
    "retryPolicy": "when failed attempts are tried again",
    "metadata": "any JSON of yours",
    "moduleId": "the module",
    "moduleBinding": "the platform's module that the job belongs to; kept as sent",
    "owner": "who keeps it in files (`apphub-jobs apply --owner`); null: nobody does",
    "maxConcurrentRuns": "how many runs of the job may run at a time; null: any number",
    "concurrencyKey": "a parameter's name: runs with the same value of it run one at a time",
    "concurrencyLimit": "how many runs with the same value of `concurrencyKey` may run at a time",
    "rateLimit": "how many runs may start within a period; null: any number",
    "fairnessKey": "a parameter's name: at equal priority, runs start round-robin by its values",
    "limit": "how many starts",
    "unique": "which runs count as duplicates, of which one is kept; null: none do",
    "until": "until when a run blocks duplicates: until it has started, or ended",
    "onConflict": "which duplicate is dropped: the newer one, or the older one while it is pending",
    "periodMs": "the sliding window, in milliseconds",
    "resources": "what an attempt may use",
    "workerLabels": "labels that a worker must have to execute runs: values by name",
    "isolation": "whether each attempt has its own process, or many share one",
    "retention": "how long after their end runs are archived, by outcome; null: never",
    "succeededMs": "time until runs that succeeded are archived; left out: they stay",
    "failedMs": "time until runs that failed are archived; left out: they stay",
    "canceledMs": "time until runs that were canceled are archived; left out: they stay",
    "expiredMs": "time until runs that expired are archived; left out: they stay",
    "paused": "since when and why no run of it starts; null: it is not paused",
    "at": "since when",
    "by": "who paused it",
    "cpus": "processors; recorded, not enforced",
    "memoryMb": "megabytes; an attempt that uses more is ended",
    "gpus": "graphics processors; recorded, not enforced",
    "strategy": "how the delay grows; `none` retries at once",
    "initialDelayMs": "delay before the second attempt",
    "maxDelayMs": "the longest delay",
    "jitter": "how much of a delay is random",
    "job": "the job",
    "runs": "the page's runs",
    "ready": "whether jobs for it can be executed",
    "checkedAt": "when that was checked",
    "details": "the workers",
    "workers": "how many workers are alive",
}

_RUNS = {
    "jobDefinitionId": "the job's id",
    "definitionVersion": "the version of the job that the run was launched with",
    "parameters": "the handler's input",
    "result": "what the handler returned; null before",
    "metrics": "metrics that the handler reported",
    "context": "the launcher's context, with what the handler added",
    "scheduledAt": "when it is or was due",
    "delayMs": "how long after its launch a run is due",
    "cancelRequestedAt": "when its cancellation was requested; null if it was not",
    "idempotencyKey": "the `Idempotency-Key` of its launch; null if there was none",
    "requestedBy": "who launched it",
    "logsUrl": "where its log is; null before it started",
    "execution": "the execution's number, from 1; an attempt may have several",
    "workerId": "the worker that executed it",
    "endedAt": "when it ended; null before",
    "outcome": "how it ended",
    "run": "the run",
    "pending": "runs that wait",
    "running": "runs that are being executed",
    "succeeded": "runs that succeeded",
    "failed": "runs that failed for good",
    "canceled": "runs that were canceled",
    "expired": "runs that ran out of time",
}


_FAILURE_GROUPS = {
    "fingerprint": "the group's name: the same for all its failures",
    "title": "the message, with placeholders for what varies",
    "frame": "the innermost function of the handler's own code; null without a traceback",
    "recovered": "failed attempts of the group whose run, or a retry of it, has since succeeded",
    "firstAt": "when the group's first attempt failed",
    "lastAt": "when the group's last attempt failed",
    "affectedVersions": "versions of the job with failures of the group, the newest 100",
    "sampleRun": "the run of the last failure",
    "changedBy": "who resolved, ignored or reopened it last; `system`: another run failed",
    "resolvedAt": "when it was last resolved",
    "resolvedInVersion": "the first version of the job whose failures open it again",
    "searchedUntil": "the position up to which failures have been recorded",
    "FailureGroup.job": "the job's slug",
    "FailureGroup.reason": "the attempts' `failureReason`",
    "FailureGroup.count": "failed attempts of the group whose run has not since succeeded",
    "FailureGroup.status": "`resolved` also once all its runs have recovered",
}

_SCHEDULES = {
    "cron": "minute, hour, day of month, month, day of week, in the time zone",
    "everyMs": "an interval instead of `cron`, counted from `startAt`, or from 1970",
    "timeZone": "an IANA name, such as Europe/Berlin",
    "exclude": "cron expressions: ticks in minutes that match one of them are skipped",
    "overlap": "what happens to a tick while a run of an earlier tick has not ended",
    "catchUpMs": "ticks that are longer overdue, after an outage, are skipped as missed",
    "jitterMs": "each tick is delayed by up to this, but never beyond the next one",
    "startAt": "no tick before it",
    "endAt": "no tick after it",
    "pauseOnFailure": "whether it pauses when a run of it fails or expires",
    "owner": "who keeps it in files (`apphub-jobs apply --owner`); null: nobody does",
    "paused": "`at`, `by`, `reason` and the `runId` that failed; null while it is not paused",
    "nextAt": "when the next tick fires; null if there is none",
    "lastTick": "`dueAt`, `outcome`, `reason` and `runId` of the last decided tick",
    "openRuns": "ids of its runs that have not ended, as far as the schedule knows",
    "manualRuns": "ids of open runs that were launched by a trigger or a backfill",
    "buffered": "due times of ticks that wait for open runs",
    "deletedAt": "when it was deleted; null in lists",
    "decidedAt": "when the outcome was decided",
    "from": "the beginning of the range of due times",
    "to": "the end of the range of due times",
    "isExcluded": "whether `exclude` will skip it",
}

_EVENTS = {
    "eventId": "the event's own id",
    "subject": "the aggregate that it belongs to",
    "occurredAt": "when it was decided",
    "recordedAt": "when it was written; null in the oldest logs",
    "actor": "who caused it: a principal, a worker, the service",
    "correlationId": "shared by all events that followed from one request",
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
    "reasons": "why it is not ready",
}

_SPECIAL = {
    "BulkOperation.action": "what is done to each run",
    "BulkOperation.filter": "the conditions that chose the runs",
    "BulkOperation.total": "how many runs were chosen",
    "BulkOperation.done": "how many runs the action was applied to so far",
    "BulkOperation.refused": "how many runs refused the action so far, unchanged",
    "BulkOperation.refusals": "the first twenty refusals, each with `run`, `code` and `why`;"
    " the operation's events have all",
    "BulkOperation.patch": "parameters that new runs got instead of the old ones",
    "BulkOperation.requestedBy": "who started it",
    "BulkOperation.abortReason": "why it was aborted",
    "SavedView.name": "what it is called; of the views that are not deleted one has this name",
    "SavedView.filter": "conditions that must all hold; none for all runs",
    "SavedView.sort": "the order of the list, as `sort` of `GET /job-runs`",
    "SavedView.savedBy": "who saved it last",
    "SavedViewBody.sort": "the order of the list, as `sort` of `GET /job-runs`",
    "BulkBody.patch": "changed parameters of new runs; the filter must name their job",
    "RetryGroupBody.patch": "changed parameters of new runs",
    "Schedule.id": "chosen at its creation",
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
    "Worker.id": "made of host, process id and a random part; new with each start",
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


# Operation ids, and an example of each body.
#
# The ids are names of functions in generated clients, so they stay. A test sends each example to a
# service that has what the example names.

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
    "GET /job-runs/statistics": "getStatistics",
    "GET /job-runs/by-schedule": "countRunsBySchedule",
    "GET /job-runs/waiting": "listWaitingRuns",
    "GET /job-runs/{run_id}": "getRun",
    "POST /job-runs/{run_id}/cancel": "cancelRun",
    "POST /job-runs/{run_id}/retry": "retryRun",
    "GET /job-runs/{run_id}/logs": "getRunLogs",
    "GET /job-runs/{run_id}/events": "listRunEvents",
    "GET /job-runs/{run_id}/attempts": "listRunAttempts",
    "GET /job-runs/{run_id}/explain": "explainRun",
    "GET /job-runs/{run_id}/related": "getRelatedRuns",
    "GET /events": "listEvents",
    "GET /events/seal": "getSeal",
    "GET /events/stream": "streamEvents",
    "POST /subjects/erase": "eraseSubject",
    "GET /me": "showMe",
    "GET /workers": "listWorkers",
    "GET /workers/unoffered": "listUnofferedEntryPoints",
    "POST /workers/{worker_id}/drain": "drainWorker",
    "POST /bulk": "startBulkOperation",
    "GET /bulk": "listBulkOperations",
    "GET /bulk/{bulk_id}": "getBulkOperation",
    "GET /bulk/{bulk_id}/runs": "listBulkRuns",
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
    "GET /failures/over-time": "countFailuresOverTime",
    "GET /failures/{fingerprint}": "getFailure",
    "POST /failures/{fingerprint}/resolve": "resolveFailure",
    "POST /failures/{fingerprint}/ignore": "ignoreFailure",
    "POST /failures/{fingerprint}/reopen": "reopenFailure",
    "POST /failures/{fingerprint}/retry": "retryFailure",
    "GET /views": "listViews",
    "PUT /views/{name}": "saveView",
    "DELETE /views/{name}": "deleteView",
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
    "retryRun": {"parameters": {"region": "us", "days": 7}, "priority": 10},
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
    "saveView": {"filter": ["job=nightly-report", "status=failed"], "sort": "duration"},
}
"""Bodies by operation id."""


@dataclass(frozen=True, kw_only=True)
class OpenApiTexts:
    """Ids, descriptions and examples of OpenAPI that routes and shapes do not declare.

    Attributes:
        operations: ids of operations, by method and path such as `GET /jobs/{slug}`.
        parameters: descriptions of parameters, by name.
        fields: descriptions of fields, by name or by `Shape.field`.
        examples: examples of bodies, by the operation's id.
    """

    operations: Mapping[str, str]
    parameters: Mapping[str, str]
    fields: Mapping[str, str]
    examples: Mapping[str, JsonObject]

    def __or__(self, others: OpenApiTexts) -> OpenApiTexts:
        """Return these texts and others; the others take precedence."""
        return OpenApiTexts(
            operations={**self.operations, **others.operations},
            parameters={**self.parameters, **others.parameters},
            fields={**self.fields, **others.fields},
            examples={**self.examples, **others.examples},
        )

    def operation_id(self, route: APIRoute) -> str:
        """Return the operation's id, by which generated clients name their functions."""
        for method in route.methods or ():
            operation = self.operations.get(f"{method} {route.path_format}")
            if operation is not None:
                return operation
        return to_camel(route.name)


OPENAPI_TEXTS = OpenApiTexts(
    operations=IDS, parameters=PARAMETERS, fields=FIELDS, examples=EXAMPLES
)
"""The texts of the API's own routes and shapes."""


# Corrections of the OpenAPI that FastAPI generates: security, statuses, descriptions.

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
        "description": "The token of a stream: browsers send no headers with an EventSource.",
    },
}


def describe(app: FastAPI, texts: OpenApiTexts, *, open_to_all: bool) -> None:
    """Add texts and security to the application's OpenAPI.

    Args:
        app: the application, with all its routes.
        texts: the texts of these routes.
        open_to_all: whether the API needs no tokens.
    """

    def openapi() -> OpenApiObject:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            _complete(schema, texts, open_to_all=open_to_all)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _complete(schema: OpenApiObject, texts: OpenApiTexts, *, open_to_all: bool) -> None:
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            # Invalid input is answered with 400, not FastAPI's 422.
            operation["responses"].pop("422", None)
            _secure(path, operation, open_to_all=open_to_all)
            _add_example(operation, texts)
            for parameter in operation.get("parameters", []):
                _describe_parameter(parameter, texts)
    components = schema["components"]
    components["securitySchemes"] = _SCHEMES
    shapes = components["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        shapes.pop(unused, None)
    for name, shape in shapes.items():
        _describe_fields(name, shape, texts)


def _add_example(operation: OpenApiObject, texts: OpenApiTexts) -> None:
    example = texts.examples.get(operation["operationId"])
    if example is not None:
        operation["requestBody"]["content"]["application/json"]["example"] = example


def _secure(path: str, operation: OpenApiObject, *, open_to_all: bool) -> None:
    """Declare how an operation takes a token: those that may answer 401 need one."""
    if "401" not in operation["responses"]:
        operation["security"] = []
        return
    schemes: list[OpenApiObject] = [{_BEARER: []}]
    if path in QUERY_TOKEN_PATHS:
        schemes.append({_QUERY: []})
    if open_to_all:
        schemes.append({})
    operation["security"] = schemes


def _describe_parameter(parameter: OpenApiObject, texts: OpenApiTexts) -> None:
    meaning = texts.parameters.get(parameter["name"])
    if meaning is not None:
        parameter.setdefault("description", meaning)


def _describe_fields(shape_name: str, shape: OpenApiObject, texts: OpenApiTexts) -> None:
    fields = shape.get("properties", {})
    for name, field in fields.items():
        meaning = texts.fields.get(f"{shape_name}.{name}") or texts.fields.get(name)
        if meaning is not None:
            field.setdefault("description", meaning)
