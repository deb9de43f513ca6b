"""`repository-ingest`: reads a repository, and tells the catalog of it (contract, section 9)."""

import logging
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any

from apphub_jobs.contract import Effect, JobResult, JobRunContext, PermanentError
from worker.handlers.git.client import CanceledError, GitError, clone
from worker.handlers.ingestion import tags
from worker.handlers.ingestion.previews import preview_tiles
from worker.handlers.untrusted.texts import one_line, shown
from worker.handlers.untrusted.tree import Tree

NO_DOCKERFILE = "Dockerfile not found, unable to launch app"

MAX_TAGS = 200
"""Of an app; the author's own come first, and are fewer. They are kept for ever, and shown in every
list."""


def execute(context: JobRunContext) -> JobResult:
    """Clone the app's repository, and return what its record should say."""
    repository = context.inputs.get("repository")
    if repository is None:
        context.logger.info("the app is gone; nothing to do")
        return JobResult(result={"skipped": True})
    started = monotonic()
    try:
        commit_sha = clone(context, repository["repoUrl"], Path("clone"))
    except CanceledError:
        return JobResult(status="canceled", error_message="canceled while cloning")
    except GitError:
        context.update(metrics=_metrics(repository, "failed", started, None))
        raise
    context.logger.info("at commit %s", commit_sha)
    # At once: however the attempt ends, the app's history can say what was read.
    context.update(metrics=_metrics(repository, "processing", started, commit_sha))
    tree = Tree(Path("clone"))
    dockerfile = tags.find_dockerfile(tree, repository["dockerfilePath"])
    if dockerfile is None:
        context.update(metrics=_metrics(repository, "failed", started, commit_sha))
        raise PermanentError(NO_DOCKERFILE)
    found = _found(context, tree, commit_sha, dockerfile)
    _tell(context, found)
    return JobResult(
        result={
            "repositoryId": repository["id"],
            "commitSha": commit_sha,
            "dockerfilePath": dockerfile,
        },
        metrics=_metrics(repository, "ready", started, commit_sha),
        effects=[Effect("repository.ingested", found)],
    )


def _found(
    context: JobRunContext, tree: Tree, commit_sha: str, dockerfile: str
) -> dict[str, Any]:
    repository = context.inputs["repository"]
    log = context.logger
    described = _as_registered(repository)
    if repository["metadataStrategy"] == "auto":
        described = _as_read(repository, tree, dockerfile, log)
    return {
        **described,
        "commit_sha": commit_sha,
        "dockerfile_path": dockerfile,
        "preview_tiles": preview_tiles(tree, repository["repoUrl"], commit_sha, log),
    }


def _as_registered(repository: Mapping[str, Any]) -> dict[str, Any]:
    """Return name, description and tags as the app's author wrote them."""
    return {
        "name": repository["name"],
        "description": repository["description"],
        "tags": tags.merge_tags(_authors_tags(repository)),
    }


def _as_read(
    repository: Mapping[str, Any], tree: Tree, dockerfile: str, log: logging.Logger
) -> dict[str, Any]:
    """Return name, description and tags as the repository says; the author's tags come first."""
    manifest = tags.package_manifest(tree, log)
    merged = tags.merge_tags(
        _authors_tags(repository),
        tags.package_tags(manifest, tree),
        tags.file_tags(tree, log),
        tags.dockerfile_tags(tree.text(dockerfile) or ""),
    )
    if len(merged) > MAX_TAGS:
        log.warning("%d of %d tags are left out", len(merged) - MAX_TAGS, len(merged))
    return {
        "name": _package_name(manifest) or repository["name"],
        "description": tags.readme_summary(tree) or repository["description"],
        "tags": merged[:MAX_TAGS],
    }


def _authors_tags(repository: Mapping[str, Any]) -> list[tags.Tag]:
    return [(tag["key"], tag["value"]) for tag in repository["authorTags"]]


def _package_name(manifest: Mapping[str, Any]) -> str | None:
    name = manifest.get("name")
    if not isinstance(name, str):
        return None
    return one_line(name, 200)


def _tell(context: JobRunContext, found: dict[str, Any]) -> None:
    tell = context.logger.info
    for field in ("name", "description", "dockerfile_path"):
        label = field.replace("_", " ")
        tell("%s: %s", label, shown(found[field]))
    listed = ["{key}:{value}".format_map(tag) for tag in found["tags"]]
    tags = ", ".join(listed)
    tell("tags: %s", shown(tags, 1_000) or "none")
    count = len(found["preview_tiles"])
    tell("preview tiles: %d", count)


def _metrics(
    repository: Any, status: str, started: float, commit_sha: str | None
) -> dict[str, Any]:
    duration_s = monotonic() - started
    return {
        "repositoryId": repository["id"],
        "status": status,
        "durationMs": int(duration_s * 1000),
        "commitSha": commit_sha,
    }
