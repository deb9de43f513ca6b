"""The events of a repository.

Their topics and fields are the on-disk format; `apply` only moves state.
"""

from __future__ import annotations

from eventsourcing.domain import Aggregate

from domain.catalog.app import MetadataStrategy
from domain.catalog.repository_state import RepositoryState
from domain.json_values import JsonObject


class RepositoryEvent(Aggregate.Event):
    """Base of the repository's events."""

    TOPIC = "repository.event"


class Added(RepositoryEvent, Aggregate.Created):
    """A client added the app to the catalog."""

    TOPIC = "repository.added"
    class_version = 2
    repository_id: str
    name: str
    description: str
    repo_url: str
    dockerfile_path: str
    tags: list[JsonObject]
    metadata_strategy: MetadataStrategy

    @staticmethod
    def upcast_v1_v2(state: JsonObject) -> None:
        """Lift an event from before authors could keep what they wrote."""
        state["metadata_strategy"] = "auto"


class IngestionRequested(RepositoryEvent):
    """An ingestion run was launched."""

    TOPIC = "repository.ingestion_requested"
    run_id: str

    def apply(self, aggregate: RepositoryState) -> None:
        aggregate.move("pending", self.run_id)
        aggregate.commit_sha = None


class IngestionStarted(RepositoryEvent):
    """A worker began an attempt; `ingest_attempts` counts all attempts of all runs."""

    TOPIC = "repository.ingestion_started"
    run_id: str
    attempt: int
    ingest_attempts: int

    def apply(self, aggregate: RepositoryState) -> None:
        aggregate.move("processing", self.run_id)
        aggregate.ingest_attempts = self.ingest_attempts
        aggregate.commit_sha = None


class CommitRead(RepositoryEvent):
    """The attempt knows which commit it reads."""

    TOPIC = "repository.commit_read"
    run_id: str
    commit_sha: str

    def apply(self, aggregate: RepositoryState) -> None:
        aggregate.commit_sha = self.commit_sha


class IngestionRetryScheduled(RepositoryEvent):
    """The attempt failed, and another one will follow."""

    TOPIC = "repository.ingestion_retry_scheduled"
    class_version = 2
    run_id: str
    attempt: int
    error: str
    duration_ms: int | None
    commit_sha: str | None

    @staticmethod
    def upcast_v1_v2(state: JsonObject) -> None:
        """Lift an event from before failures told their commit."""
        state["commit_sha"] = None

    def apply(self, aggregate: RepositoryState) -> None:
        aggregate.move("pending", self.run_id)


class IngestionSucceeded(RepositoryEvent):
    """The repository was read; its record is what was found."""

    TOPIC = "repository.ingestion_succeeded"
    class_version = 2
    run_id: str
    attempt: int
    duration_ms: int | None
    commit_sha: str
    name: str
    description: str
    dockerfile_path: str
    tags: list[JsonObject]
    preview_tiles: list[JsonObject]

    @staticmethod
    def upcast_v1_v2(state: JsonObject) -> None:
        """Lift an event from before there were previews."""
        state["preview_tiles"] = []

    def apply(self, aggregate: RepositoryState) -> None:
        aggregate.move("ready", self.run_id)
        aggregate.record = {
            **aggregate.record,
            "name": self.name,
            "description": self.description,
            "dockerfilePath": self.dockerfile_path,
        }


class IngestionFailed(RepositoryEvent):
    """The ingestion ended without success."""

    TOPIC = "repository.ingestion_failed"
    class_version = 2
    run_id: str
    attempt: int
    error: str
    duration_ms: int | None
    commit_sha: str | None

    @staticmethod
    def upcast_v1_v2(state: JsonObject) -> None:
        """Lift an event from before failures told their commit."""
        state["commit_sha"] = None

    def apply(self, aggregate: RepositoryState) -> None:
        aggregate.move("failed", self.run_id)


class EnvTemplatesRead(RepositoryEvent):
    """A build read which environment variables the app takes."""

    TOPIC = "repository.env_templates_read"
    build_id: str
    launch_env_templates: list[JsonObject]

    def apply(self, aggregate: RepositoryState) -> None:
        aggregate.env_templates = self.launch_env_templates
