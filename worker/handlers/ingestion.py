"""`repository-ingest`: reads a repository and tells the catalog what it found (contract, section 9)."""

from pathlib import Path
from time import monotonic
from typing import Any

from worker.contract import Effect, JobResult, JobRunContext, PermanentError
from worker.handlers import tags
from worker.handlers.git import CanceledError, clone
from worker.handlers.tree import Tree

NO_DOCKERFILE = "Dockerfile not found, unable to launch app"


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
    context.logger.info("at commit %s", commit_sha)
    tree = Tree(Path("clone"))
    dockerfile = tags.find_dockerfile(tree, repository["dockerfilePath"])
    if dockerfile is None:
        context.update(metrics=_metrics(repository, "failed", started, commit_sha))
        raise PermanentError(NO_DOCKERFILE)
    found = _found(tree, repository, commit_sha, dockerfile)
    for field in ("name", "description", "dockerfile_path"):
        context.logger.info("%s: %s", field.replace("_", " "), found[field])
    context.logger.info("tags: %s", ", ".join(f"{tag['key']}:{tag['value']}" for tag in found["tags"]) or "none")
    return JobResult(
        result={"repositoryId": repository["id"], "commitSha": commit_sha, "dockerfilePath": dockerfile},
        metrics=_metrics(repository, "ready", started, commit_sha),
        effects=[Effect("repository.ingested", found)],
    )


def _found(tree: Tree, repository: Any, commit_sha: str, dockerfile: str) -> dict[str, Any]:
    manifest = tags.package_manifest(tree)
    package_name = manifest.get("name")
    named = package_name if isinstance(package_name, str) and tags.storable(package_name) else ""
    author = [(tag["key"], tag["value"]) for tag in repository["authorTags"]]
    return {
        "commit_sha": commit_sha,
        "name": named[:200] or repository["name"],
        "description": tags.readme_summary(tree) or repository["description"],
        "dockerfile_path": dockerfile,
        "tags": tags.merge_tags(
            author,
            tags.package_tags(manifest, tree),
            tags.file_tags(tree),
            tags.dockerfile_tags(tree.text(dockerfile) or ""),
        ),
    }


def _metrics(repository: Any, status: str, started: float, commit_sha: str) -> dict[str, Any]:
    duration_ms = int((monotonic() - started) * 1000)
    return {"repositoryId": repository["id"], "status": status, "durationMs": duration_ms, "commitSha": commit_sha}
