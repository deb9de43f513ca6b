"""The shapes of the catalog's answers, for OpenAPI: apps and builds."""

from typing import Literal

from pydantic import AwareDatetime, JsonValue

from api.answers import Shape


class TagShape(Shape):
    """A tag of an app."""

    key: str
    value: str


class BuildShape(Shape):
    """A build of an app's image."""

    id: str
    repository_id: str
    status: Literal["pending", "running", "succeeded", "failed", "canceled"]
    image_tag: str | None
    image_digest: str | None
    error_message: str | None
    commit_sha: str | None
    git_branch: str | None
    git_ref: str | None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    started_at: AwareDatetime | None
    completed_at: AwareDatetime | None
    duration_ms: int | None
    logs_preview: str
    logs_truncated: bool
    has_logs: bool
    logs_size: int
    job_run_id: str | None


class BuildLog(Shape):
    """All that a build printed."""

    id: str
    repository_id: str
    logs: str
    size: int
    updated_at: AwareDatetime


class CountedPageMeta(Shape):
    """Where in a list its page lies."""

    total: int
    count: int
    limit: int | None
    offset: int
    next_offset: int | None
    has_more: bool


class AppShape(Shape):
    """An app of the catalog."""

    id: str
    name: str
    description: str
    repo_url: str
    dockerfile_path: str
    updated_at: AwareDatetime
    tags: list[TagShape]
    ingest_status: Literal["seed", "pending", "processing", "ready", "failed"]
    ingest_error: str | None
    ingest_attempts: int
    latest_build: BuildShape | None
    latest_launch: None
    preview_tiles: list[JsonValue]
    launch_env_templates: list[JsonValue]


class IngestionEvent(Shape):
    """A step of an app's ingestion."""

    id: str
    repository_id: str
    status: str
    message: str
    attempt: int | None
    commit_sha: str | None
    duration_ms: int | None
    job_run_id: str
    created_at: AwareDatetime
