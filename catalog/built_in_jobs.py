"""The two jobs that come with the catalog (contract, section 8): ingestion and build."""

from catalog.handler_settings import BUILD_ENTRY_POINT, INGEST_ENTRY_POINT
from domain.jobs.definition import JobSpec
from domain.json_values import JsonObject

INGEST_SLUG = "repository-ingest"

BUILD_SLUG = "repository-build"

_ID: JsonObject = {"type": "string", "minLength": 1}

SPECS: dict[str, JobSpec] = {
    INGEST_SLUG: JobSpec(
        name="Repository Ingestion",
        type="batch",
        entry_point=INGEST_ENTRY_POINT,
        parameters_schema={
            "type": "object",
            "properties": {"repositoryId": {**_ID}},
            "required": ["repositoryId"],
        },
        default_parameters={"repositoryId": None},
        timeout_ms=900_000,
        retry_policy={"maxAttempts": 3, "strategy": "exponential", "initialDelayMs": 10_000},
        metadata={"description": "Reads a repository and requests a build of it"},
        # Two ingestions of one app at a time would overwrite each other's results.
        concurrency_key="repositoryId",
    ),
    BUILD_SLUG: JobSpec(
        name="Repository Build",
        type="batch",
        entry_point=BUILD_ENTRY_POINT,
        parameters_schema={
            "type": "object",
            "properties": {"buildId": {**_ID}, "repositoryId": {**_ID}},
            "required": ["buildId"],
        },
        default_parameters={"buildId": None},
        timeout_ms=1_800_000,
        retry_policy={"maxAttempts": 1},
        metadata={"description": "Builds the container image of a repository"},
        concurrency_key="repositoryId",
    ),
}
