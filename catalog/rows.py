"""Repositories and builds as their rows say: what decisions need of them, and nothing else.

A test holds these against the same aggregates as folded from their events.
"""

from typing import cast

from typing_extensions import ReadOnly

from catalog.build import Build, BuildStatus
from catalog.repository import IngestStatus, MetadataStrategy, Repository, RepositoryState
from domain.json_values import JsonObject
from domain.ports import Row
from domain.rehydration import Standing, restored


class RepositoryFacts(Standing):
    """What decisions need of an app's row. What it shows beside that may have megabytes."""

    aggregate_id: ReadOnly[str]
    id: ReadOnly[str]
    name: ReadOnly[str]
    description: ReadOnly[str]
    repo_url: ReadOnly[str]
    dockerfile_path: ReadOnly[str]
    author_tags: ReadOnly[list[JsonObject]]
    metadata_strategy: ReadOnly[MetadataStrategy]
    ingest_status: ReadOnly[IngestStatus]
    ingest_run_id: ReadOnly[str | None]
    ingest_commit_sha: ReadOnly[str | None]
    ingest_attempts: ReadOnly[int]
    launch_env_templates: ReadOnly[list[JsonObject]]


def repository_of_row(row: Row) -> Repository:
    """Return a repository that decides as the one does that its events make."""
    facts = cast("RepositoryFacts", row)
    repository = restored(Repository, facts["aggregate_id"], facts)
    RepositoryState.__init__(
        repository,
        repository_id=facts["id"],
        name=facts["name"],
        description=facts["description"],
        repo_url=facts["repo_url"],
        dockerfile_path=facts["dockerfile_path"],
        tags=facts["author_tags"],
        metadata_strategy=facts["metadata_strategy"],
    )
    repository.status = facts["ingest_status"]
    repository.run_id = facts["ingest_run_id"]
    repository.commit_sha = facts["ingest_commit_sha"]
    repository.ingest_attempts = facts["ingest_attempts"]
    repository.env_templates = facts["launch_env_templates"]
    return repository


class BuildFacts(Standing):
    """What decisions need of a build's row."""

    id: ReadOnly[str]
    repository_id: ReadOnly[str]
    job_run_id: ReadOnly[str | None]
    status: ReadOnly[BuildStatus]
    git_branch: ReadOnly[str | None]
    git_ref: ReadOnly[str | None]
    commit_sha: ReadOnly[str | None]


def build_of_row(row: Row) -> Build:
    """Return a build that decides as the one does that its events make."""
    facts = cast("BuildFacts", row)
    build = restored(Build, facts["id"], facts)
    Build.__init__(
        build,
        repository_id=facts["repository_id"],
        run_id=facts["job_run_id"],
        git_branch=facts["git_branch"],
        git_ref=facts["git_ref"],
        commit_sha=facts["commit_sha"],
    )
    build.status = facts["status"]
    return build
