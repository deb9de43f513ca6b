"""What OpenAPI calls each operation, and an example of each body.

The ids are what generated clients call their functions: they stay, whatever becomes of our own
names. Each example is accepted as it stands, where there is what it names; a test sends them all.
"""

from collections.abc import Mapping

from fastapi.routing import APIRoute
from pydantic.alias_generators import to_camel

from domain.json_values import JsonObject

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
    "GET /apps": "listApps",
    "POST /apps": "addApp",
    "GET /apps/{app_id}": "getApp",
    "GET /apps/{app_id}/history": "listAppHistory",
    "POST /apps/{app_id}/retry": "retryIngestion",
    "GET /apps/{app_id}/builds": "listBuilds",
    "POST /apps/{app_id}/builds": "requestBuild",
    "GET /builds/{build_id}/logs": "getBuildLogs",
    "POST /builds/{build_id}/retry": "retryBuild",
    "GET /tags/suggest": "suggestTags",
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
            "properties": {
                "region": {"type": "string"},
                "days": {"type": "integer", "minimum": 1},
            },
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
    "addApp": {
        "id": "shop",
        "name": "Shop",
        "description": "What customers see",
        "repoUrl": "https://github.com/example/shop.git",
        "dockerfilePath": "docker/Dockerfile",
        "tags": [{"key": "team", "value": "sales"}],
        "metadataStrategy": "auto",
    },
    "requestBuild": {"branch": "main"},
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
    "backfillSchedule": {
        "from": "2026-11-01T00:00:00Z",
        "to": "2026-11-08T00:00:00Z",
    },
    "previewDraft": _SCHEDULE,
    "resolveFailure": {"inVersion": 2},
    "retryFailure": {"reason": "the warehouse is back", "dryRun": False},
}
"""Bodies by the id of their operation."""


def operation_id(route: APIRoute) -> str:
    """Return what generated clients call the operation."""
    for method in route.methods or ():
        known = IDS.get(f"{method} {route.path_format}")
        if known is not None:
            return known
    return to_camel(route.name)
