"""Whom the built-in jobs' runs concern, and what their results may tell the catalog."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard
from uuid import UUID

from domain.errors import Issue
from domain.identifiers import repository_id
from domain.jobs.reserved import BUILD_ENTRY_POINT, INGEST_ENTRY_POINT
from domain.jobs.run import JobRun
from domain.jobs.run_events import Canceled, ReportedEvent
from domain.json_values import Json, JsonObject
from domain.schema.validation import violations

INGESTED = "repository.ingested"
"""The effect that a successful ingestion carries; its data are the fields of `Ingested`."""

BUILT = "build.finished"
"""The effect that a successful build carries."""

COMMIT_METRIC = "commitSha"
"""The metric in which both jobs report the commit they work on (contract, section 9)."""

TEMPLATES_CONTEXT = "launchEnvTemplates"
"""The part of a build's context in which it reports which variables the app takes, before it builds
anything: a build that fails has told them, too."""

MAX_TEMPLATES = 32


@dataclass(frozen=True)
class Effect:
    """What a run's result does beyond the run; appended in one unit with it, or not at all."""

    kind: str
    data: Mapping[str, Json]


def _object(**properties: Json) -> JsonObject:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_TEXT: JsonObject = {"type": "string"}
_TEXT_OR_NULL: JsonObject = {"type": ["string", "null"]}
_PAIRS: JsonObject = {"type": "array", "items": _object(key=_TEXT, value=_TEXT)}

_SHAPES: dict[str, JsonObject] = {
    INGESTED: _object(
        commit_sha=_TEXT,
        name={**_TEXT, "minLength": 1},
        description=_TEXT,
        dockerfile_path={**_TEXT, "minLength": 1},
        tags=_PAIRS,
        preview_tiles={"type": "array", "maxItems": 6, "items": {"type": "object"}},
    ),
    BUILT: _object(
        commit_sha=_TEXT,
        git_branch=_TEXT_OR_NULL,
        image_tag={**_TEXT, "minLength": 1},
        image_digest=_TEXT_OR_NULL,
    ),
}


def effect_issues(effects: Sequence[Effect]) -> list[Issue]:
    """Return what is wrong with a result's effects: an unknown one, or data of another shape."""
    issues: list[Issue] = []
    for index, effect in enumerate(effects):
        path = f"/effects/{index}"
        shape = _SHAPES.get(effect.kind)
        if shape is None:
            message = f"unknown effect {effect.kind!r}"
            issue = Issue(f"{path}/kind", message, "enum")
            issues.append(issue)
        else:
            issues += violations(shape, dict(effect.data), f"{path}/data")
    return issues


def reported_commit(event: object) -> str | None:
    """Return the commit that an event of a run reports, if it reports one."""
    if not isinstance(event, ReportedEvent | Canceled):
        return None
    commit_sha = event.metrics.get(COMMIT_METRIC)
    if not isinstance(commit_sha, str):
        return None
    return commit_sha


def reported_templates(event: object) -> list[JsonObject] | None:
    """Return the variables that an event of a run reports; None if none, or of another shape."""
    if not isinstance(event, ReportedEvent | Canceled):
        return None
    templates = event.context.get(TEMPLATES_CONTEXT)
    if not isinstance(templates, list) or len(templates) > MAX_TEMPLATES:
        return None
    pairs = [template for template in templates if _is_pair(template)]
    if len(pairs) < len(templates):
        return None
    return pairs


def _is_pair(value: Json) -> TypeGuard[JsonObject]:
    if not isinstance(value, dict) or value.keys() != {"key", "value"}:
        return False
    return all(isinstance(text, str) for text in value.values())


def repository_of(run: JobRun) -> UUID | None:
    """Return the aggregate id of the repository that this run ingests; None for every other run."""
    client_id = run.parameters.get("repositoryId")
    if run.entry_point != INGEST_ENTRY_POINT or not isinstance(client_id, str):
        return None
    return repository_id(client_id)


def build_of(run: JobRun) -> UUID | None:
    """Return the id of the build that this run executes; None for every other run."""
    return named_build(run.entry_point, run.parameters)


def named_build(entry_point: str, parameters: JsonObject) -> UUID | None:
    """Return the build that these parameters name to the build's handler, if they name any."""
    build_id = parameters.get("buildId")
    if entry_point != BUILD_ENTRY_POINT or not isinstance(build_id, str):
        return None
    try:
        return UUID(build_id)
    except ValueError:
        return None
